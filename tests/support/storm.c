// SPDX-License-Identifier: Apache-2.0
// storm COUNT PATH [MICROSECONDS]: waits for a line on standard input, then opens PATH COUNT times, with a pause after each, and
// says how long that took.
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	if (argc < 3)
		return 64;
	long count = atol(argv[1]), rest = argc > 3 ? atol(argv[3]) : 0;
	struct timespec a, b;
	char line[16];

	printf("pid %d\n", getpid());
	fflush(stdout);
	if (!fgets(line, sizeof(line), stdin))
		return 1;
	clock_gettime(CLOCK_MONOTONIC, &a);
	for (long i = 0; i < count; i++) {
		int fd = open(argv[2], O_RDONLY);
		if (fd >= 0)
			close(fd);
		if (rest)
			usleep(rest);
	}
	clock_gettime(CLOCK_MONOTONIC, &b);
	printf("ns %lld\n", (b.tv_sec - a.tv_sec) * 1000000000LL + b.tv_nsec - a.tv_nsec);
	fflush(stdout);
	// Stay until told to end, so that whoever measures can still look at this process.
	if (!fgets(line, sizeof(line), stdin))
		return 0;
	return 0;
}
