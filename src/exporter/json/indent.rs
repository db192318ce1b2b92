//! Compact JSON as indented JSON, byte by byte: numbers and text stay as they are.

/// Appends `json`, which is compact and valid, with two blanks per level, as if it stood `depth` levels deep. The first line is not indented.
pub fn push_indented(out: &mut Vec<u8>, json: &[u8], depth: usize) {
    let mut depth = depth;
    let mut bytes = json.iter().copied().peekable();
    let mut in_text = false;
    while let Some(byte) = bytes.next() {
        if in_text {
            out.push(byte);
            match byte {
                b'\\' => out.extend(bytes.next()),
                b'"' => in_text = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'{' | b'[' => {
                out.push(byte);
                match bytes.next_if(|next| matches!(next, b'}' | b']')) {
                    Some(end) => out.push(end),
                    None => {
                        depth += 1;
                        push_line(out, depth);
                    }
                }
            }
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                push_line(out, depth);
                out.push(byte);
            }
            b',' => {
                out.push(byte);
                push_line(out, depth);
            }
            b':' => out.extend_from_slice(b": "),
            _ => {
                in_text = byte == b'"';
                out.push(byte);
            }
        }
    }
}

fn push_line(out: &mut Vec<u8>, depth: usize) {
    out.push(b'\n');
    out.resize(out.len() + 2 * depth, b' ');
}
