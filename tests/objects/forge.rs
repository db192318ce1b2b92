//! ELF objects and BTF as no compiler makes them.

/// A section to be.
pub struct Section {
    pub name: Vec<u8>,
    pub kind: u32,
    pub flags: u64,
    pub data: Vec<u8>,
    pub link: u32,
    pub info: u32,
    /// Size in the header, if not the data's.
    pub size: Option<u64>,
}

impl Section {
    pub fn new(name: &str, kind: u32, flags: u64, data: Vec<u8>) -> Self {
        Section { name: name.as_bytes().to_vec(), kind, flags, data, link: 0, info: 0, size: None }
    }
}

/// An object of the given sections, behind the null section; the last one is the table of names.
pub fn elf(sections: Vec<Section>) -> Vec<u8> {
    let mut sections = sections;
    let mut names = vec![0u8];
    sections.push(Section::new(".shstrtab", 3, 0, Vec::new()));
    let offsets: Vec<u32> = sections
        .iter()
        .map(|s| {
            let at = names.len() as u32;
            names.extend_from_slice(&s.name);
            names.push(0);
            at
        })
        .collect();
    sections.last_mut().unwrap().data = names;
    let mut file = vec![0u8; 64];
    file[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
    file[16..20].copy_from_slice(&[1, 0, 247, 0]);
    file[20] = 1;
    let mut table = vec![0u8; 64];
    for (section, name) in sections.iter().zip(offsets) {
        file.resize(file.len().next_multiple_of(8), 0);
        let at = file.len() as u64;
        file.extend_from_slice(&section.data);
        table.extend_from_slice(&name.to_le_bytes());
        table.extend_from_slice(&section.kind.to_le_bytes());
        for value in [section.flags, 0, at, section.size.unwrap_or(section.data.len() as u64)] {
            table.extend_from_slice(&value.to_le_bytes());
        }
        table.extend_from_slice(&section.link.to_le_bytes());
        table.extend_from_slice(&section.info.to_le_bytes());
        table.extend_from_slice(&8u64.to_le_bytes());
        table.extend_from_slice(&(if section.kind == 2 { 24u64 } else { 0 }).to_le_bytes());
    }
    file.resize(file.len().next_multiple_of(8), 0);
    let start = file.len() as u64;
    file[0x28..0x30].copy_from_slice(&start.to_le_bytes());
    file[0x34..0x36].copy_from_slice(&64u16.to_le_bytes());
    file[0x3a..0x3c].copy_from_slice(&64u16.to_le_bytes());
    file[0x3c..0x3e].copy_from_slice(&(sections.len() as u16 + 1).to_le_bytes());
    file[0x3e..0x40].copy_from_slice(&(sections.len() as u16).to_le_bytes());
    file.extend_from_slice(&table);
    file
}

/// A symbol table entry.
pub fn symbol(name: u32, info: u8, section: u16, value: u64, size: u64) -> Vec<u8> {
    [&name.to_le_bytes()[..], &[info, 0], &section.to_le_bytes(), &value.to_le_bytes(), &size.to_le_bytes()].concat()
}

/// BTF by hand.
#[derive(Default)]
pub struct Types {
    types: Vec<u8>,
    strings: Vec<u8>,
    count: u32,
}

pub const INT: u32 = 1;
pub const PTR: u32 = 2;
pub const ARRAY: u32 = 3;
pub const STRUCT: u32 = 4;
pub const UNION: u32 = 5;
pub const TYPEDEF: u32 = 8;
pub const VOLATILE: u32 = 9;
pub const CONST: u32 = 10;
pub const VAR: u32 = 14;

impl Types {
    /// With `int` as type 1.
    pub fn new() -> Self {
        let mut types = Types { strings: vec![0], ..Types::default() };
        types.add(INT, 0, "int", &[4, 1 << 24 | 32]);
        types
    }

    pub fn string(&mut self, text: &str) -> u32 {
        let at = self.strings.len() as u32;
        self.strings.extend_from_slice(text.as_bytes());
        self.strings.push(0);
        at
    }

    /// Adds a type of so many members with these words behind the info word, and gives its id.
    pub fn add(&mut self, kind: u32, len: u32, name: &str, words: &[u32]) -> u32 {
        let name = if name.is_empty() { 0 } else { self.string(name) };
        self.raw(kind, len, name, words)
    }

    /// The same with the offset of a name.
    pub fn raw(&mut self, kind: u32, len: u32, name: u32, words: &[u32]) -> u32 {
        for word in [name, kind << 24 | len].iter().chain(words) {
            self.types.extend_from_slice(&word.to_le_bytes());
        }
        self.count += 1;
        self.count
    }

    /// The id that the next type will have.
    pub fn next(&self) -> u32 {
        self.count + 1
    }

    /// A marker: a global pointer to const void.
    pub fn marker(&mut self, name: &str) {
        let constant = self.add(CONST, 0, "", &[0]);
        let pointer = self.add(PTR, 0, "", &[constant]);
        self.add(VAR, 0, name, &[pointer, 1]);
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut out = vec![0x9f, 0xeb, 1, 0];
        for word in [24, 0, self.types.len(), self.types.len(), self.strings.len()] {
            out.extend_from_slice(&(word as u32).to_le_bytes());
        }
        [&out[..], &self.types, &self.strings].concat()
    }
}
