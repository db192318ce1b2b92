//! Files made for tests, byte by byte: ELF with symbols, Go's table of functions, notes of static probes, a cache of libraries.
//! The tests of objects use them too.
#![allow(dead_code, missing_docs, clippy::unwrap_used)]

/// A section to be made.
pub struct Part {
    pub name: &'static str,
    /// SHT_*.
    pub kind: u32,
    /// Index of the section it belongs to; the first part is number 1.
    pub link: u32,
    /// Where it is in memory; 0: nowhere.
    pub address: u64,
    pub data: Vec<u8>,
}

impl Part {
    pub fn new(name: &'static str, kind: u32, data: Vec<u8>) -> Self {
        Part { name, kind, link: 0, address: 0, data }
    }

    pub fn at(self, address: u64) -> Self {
        Part { address, ..self }
    }

    pub fn of(self, link: u32) -> Self {
        Part { link, ..self }
    }
}

/// Appends numbers as fields of 64 or 32 bits.
fn words(to: &mut Vec<u8>, wide: bool, values: &[u64]) {
    for value in values {
        to.extend(value.to_le_bytes().iter().take(if wide { 8 } else { 4 }));
    }
}

fn quad(to: &mut Vec<u8>, value: u32) {
    to.extend(value.to_le_bytes());
}

fn half(to: &mut Vec<u8>, values: &[u16]) {
    values.iter().for_each(|v| to.extend(v.to_le_bytes()));
}

/// An ELF file of 64 or 32 bits. Each part that is in memory begins a page of the file and is a segment of its own.
pub fn elf(wide: bool, parts: &[Part]) -> Vec<u8> {
    let (header, program, section) = if wide { (64, 56, 64) } else { (52, 32, 40) };
    let loaded: Vec<&Part> = parts.iter().filter(|p| p.address != 0).collect();
    let (mut body, mut names, mut segments, mut sections) =
        (vec![0; header + loaded.len() * program], vec![0], Vec::new(), vec![0; section]);
    let strings = Part::new(".shstrtab", 3, Vec::new());
    for part in parts.iter().chain([&strings]) {
        let name = names.len() as u32;
        names.extend(part.name.bytes().chain([0]));
        let data = if part.name == strings.name { names.clone() } else { part.data.clone() };
        let alignment = if part.address == 0 { 8 } else { 4096 };
        body.resize(body.len().next_multiple_of(alignment), 0);
        let (at, size) = (body.len() as u64, data.len() as u64);
        if part.address != 0 {
            quad(&mut segments, 1);
            match wide {
                true => {
                    quad(&mut segments, 7);
                    words(&mut segments, wide, &[at, part.address, part.address, size, size, 4096]);
                }
                false => words(&mut segments, wide, &[at, part.address, part.address, size, size, 7, 4096]),
            }
        }
        quad(&mut sections, name);
        quad(&mut sections, part.kind);
        words(&mut sections, wide, &[2, part.address, at, size]);
        quad(&mut sections, part.link);
        quad(&mut sections, 0);
        words(&mut sections, wide, &[1, 0]);
        body.extend(data);
    }
    body.resize(body.len().next_multiple_of(8), 0);
    let (at, count) = (body.len() as u64, parts.len() as u16 + 2);
    body.extend(&sections);
    let mut head = vec![0x7f, b'E', b'L', b'F', if wide { 2 } else { 1 }, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    half(&mut head, &[3, 62]);
    quad(&mut head, 1);
    words(&mut head, wide, &[0, header as u64, at]);
    quad(&mut head, 0);
    half(&mut head, &[header as u16, program as u16, loaded.len() as u16, section as u16, count, count - 1]);
    body.splice(..header + segments.len(), head.into_iter().chain(segments));
    body
}

/// A symbol: name, address, info (`bind << 4 | type`), section.
pub type Symbol = (&'static str, u64, u8, u16);

/// A symbol table and its names.
pub fn symbols(wide: bool, symbols: &[Symbol]) -> (Vec<u8>, Vec<u8>) {
    let (mut table, mut names) = (vec![0; if wide { 24 } else { 16 }], vec![0]);
    for (name, address, info, section) in symbols {
        quad(&mut table, names.len() as u32);
        match wide {
            true => {
                table.extend([*info, 0]);
                half(&mut table, &[*section]);
                words(&mut table, wide, &[*address, 4]);
            }
            false => {
                words(&mut table, wide, &[*address, 4]);
                table.extend([*info, 0]);
                half(&mut table, &[*section]);
            }
        }
        names.extend(name.bytes().chain([0]));
    }
    (table, names)
}

/// A note of a static probe.
pub fn note(wide: bool, provider: &str, name: &str, [location, base, semaphore]: [u64; 3]) -> Vec<u8> {
    let mut description = Vec::new();
    words(&mut description, wide, &[location, base, semaphore]);
    for text in [provider, name, "8@%rdi"] {
        description.extend(text.bytes().chain([0]));
    }
    let mut note = Vec::new();
    [8, description.len() as u32, 3].iter().for_each(|v| quad(&mut note, *v));
    note.extend(b"stapsdt\0");
    note.extend(&description);
    note.resize(note.len().next_multiple_of(4), 0);
    note
}

/// Go's table of functions in the form of 1.`version`; `start` is what addresses are written relative to, where they are.
pub fn go_table(version: u32, start: u64, functions: &[(&str, u64)]) -> Vec<u8> {
    let relative = version >= 18;
    let (magic, fields, word) = match version {
        2 => (0xffff_fffb_u32, 1, 8),
        16 => (0xffff_fffa, 7, 8),
        18 => (0xffff_fff0, 8, 4),
        _ => (0xffff_fff1, 8, 4),
    };
    let put = |to: &mut Vec<u8>, value: u64| words(to, word == 8, &[value]);
    let base = if relative { start } else { 0 };
    let header = 8 + 8 * fields;
    let mut names = vec![0];
    let name_at: Vec<usize> = functions
        .iter()
        .map(|(name, _)| {
            let at = names.len();
            names.extend(name.bytes().chain([0]));
            at
        })
        .collect();
    names.resize(names.len().next_multiple_of(8), 0);
    // 1.2 counts everything from the beginning of the table.
    let (names_from, table_at) = if version == 2 { (header + (2 * functions.len() + 1) * 8 + 4, 0) } else { (0, header + names.len()) };
    let descriptions = (2 * functions.len() + 1) * word + if version == 2 { header + 4 + names.len() } else { 0 };
    let mut table = Vec::new();
    for (index, (_, address)) in functions.iter().enumerate() {
        put(&mut table, address - base);
        put(&mut table, (descriptions + index * 16) as u64);
    }
    put(&mut table, 0);
    if version == 2 {
        quad(&mut table, 0);
        table.extend(&names);
    }
    for ((_, address), at) in functions.iter().zip(&name_at) {
        let begin = table.len();
        put(&mut table, address - base);
        quad(&mut table, (names_from + at) as u32);
        table.resize(begin + 16, 0);
    }
    let mut all = Vec::new();
    quad(&mut all, magic);
    all.extend([0, 0, 1, 8]);
    let (count, header, table_at) = (functions.len() as u64, header as u64, table_at as u64);
    match version {
        2 => words(&mut all, true, &[count]),
        16 => words(&mut all, true, &[count, 0, header, 0, 0, 0, table_at]),
        _ => words(&mut all, true, &[count, 0, start, header, 0, 0, 0, table_at]),
    }
    if version != 2 {
        all.extend(&names);
    }
    all.extend(&table);
    all
}

/// The loader's cache in its new form: names and paths.
pub fn new_cache(libraries: &[(&str, &str)]) -> Vec<u8> {
    let mut cache = b"glibc-ld.so.cache1.1".to_vec();
    quad(&mut cache, libraries.len() as u32);
    cache.resize(48, 0);
    let mut strings = Vec::new();
    let begin = 48 + 24 * libraries.len();
    for (name, path) in libraries {
        quad(&mut cache, 3);
        for text in [name, path] {
            quad(&mut cache, (begin + strings.len()) as u32);
            strings.extend(text.bytes().chain([0]));
        }
        cache.extend([0; 12]);
    }
    cache.extend(strings);
    cache
}

/// The old form.
pub fn old_cache(libraries: &[(&str, &str)]) -> Vec<u8> {
    let mut cache = b"ld.so-1.7.0\0".to_vec();
    quad(&mut cache, libraries.len() as u32);
    let mut strings = Vec::new();
    for (name, path) in libraries {
        quad(&mut cache, 3);
        for text in [name, path] {
            quad(&mut cache, strings.len() as u32);
            strings.extend(text.bytes().chain([0]));
        }
    }
    cache.extend(strings);
    cache
}

/// Both forms: the old entries count their strings from where the new part begins.
pub fn both_caches(libraries: &[(&str, &str)]) -> Vec<u8> {
    let mut cache = old_cache(libraries);
    cache.truncate(16 + 12 * libraries.len());
    cache.resize(cache.len().next_multiple_of(8), 0);
    cache.extend(new_cache(libraries));
    cache
}
