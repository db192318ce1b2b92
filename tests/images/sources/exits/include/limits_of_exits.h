#define LONGEST 16
