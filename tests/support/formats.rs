//! Files of networks, written and taken apart by hand.

/// A tensor of a safetensors file: its name, type, shape and bytes.
pub type Stored<'a> = (&'a str, &'a str, &'a [i64], Vec<u8>);

/// A sound safetensors file.
pub fn safetensors(tensors: &[Stored<'_>]) -> Vec<u8> {
    let (mut header, mut data) = (Vec::new(), Vec::new());
    for (name, dtype, shape, bytes) in tensors {
        let from = data.len();
        data.extend(bytes);
        let offsets = [from, data.len()];
        header.push(format!(
            r#""{name}":{{"dtype":"{dtype}","shape":{shape:?},"data_offsets":{offsets:?}}}"#
        ));
    }
    with_header(&format!(r#"{{"__metadata__":{{"format":"pt"}},{}}}"#, header.join(",")), &data)
}

/// Any header before any data.
pub fn with_header(header: &str, data: &[u8]) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), data].concat()
}

/// A field of a protobuf message.
pub enum Field<'a> {
    Number(u64),
    /// A message, a text or bytes.
    Part(&'a [u8]),
}

/// The numbers and parts of a message, each with its field's number.
pub fn fields(mut message: &[u8]) -> Vec<(u64, Field<'_>)> {
    let mut found = Vec::new();
    while !message.is_empty() {
        let key = varint(&mut message);
        let field = match key & 7 {
            0 => Field::Number(varint(&mut message)),
            2 => {
                let len = varint(&mut message) as usize;
                let (part, rest) = message.split_at(len);
                message = rest;
                Field::Part(part)
            }
            kind => {
                message = &message[if kind == 5 { 4 } else { 8 }..];
                continue;
            }
        };
        found.push((key >> 3, field));
    }
    found
}

/// The parts of a message that are in the field `wanted`.
pub fn parts(message: &[u8], wanted: u64) -> Vec<&[u8]> {
    let part = |(number, field)| match field {
        Field::Part(part) if number == wanted => Some(part),
        _ => None,
    };
    fields(message).into_iter().filter_map(part).collect()
}

fn varint(message: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..).step_by(7) {
        let (&byte, rest) = message.split_first().unwrap();
        *message = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            break;
        }
    }
    value
}
