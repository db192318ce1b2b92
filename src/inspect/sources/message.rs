//! The messages, with the names that they have in upstream's protocol. Zero values are left out.

use std::collections::BTreeMap;

use serde::Serialize;

/// A data source.
#[derive(Debug, Default, Serialize, PartialEq, Eq)]
pub struct DataSource {
    /// Its name.
    pub name: String,
    /// 1: element by element; 2: arrays of elements.
    #[serde(rename = "type")]
    pub kind: u32,
    /// Its fields, in the order of their addition.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldMessage>,
    /// Its tags.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Its annotations.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Bit 0: big endian.
    #[serde(skip_serializing_if = "is_zero")]
    pub flags: u32,
}

/// A field.
#[derive(Debug, Default, Serialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct FieldMessage {
    /// The last part of its name.
    pub name: String,
    /// All of it.
    pub full_name: String,
    /// Position in the list.
    #[serde(skip_serializing_if = "is_zero")]
    pub index: u32,
    /// Which of an element's buffers it is in.
    #[serde(skip_serializing_if = "is_zero")]
    pub payload_index: u32,
    /// First byte there.
    #[serde(skip_serializing_if = "is_zero")]
    pub offs: u32,
    /// Bytes; 0 for any number.
    #[serde(skip_serializing_if = "is_zero")]
    pub size: u32,
    /// Bits: 1 no value, 4 hidden, 8 has a parent, 16 part of a struct.
    #[serde(skip_serializing_if = "is_zero")]
    pub flags: u32,
    /// Type of the value.
    #[serde(skip_serializing_if = "is_zero")]
    pub kind: u32,
    /// Its tags.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Its annotations.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Position of the parent, if it has one.
    #[serde(skip_serializing_if = "is_zero")]
    pub parent: u32,
    /// Sort key among columns.
    #[serde(skip_serializing_if = "is_zero_signed")]
    pub order: i32,
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

fn is_zero_signed(number: &i32) -> bool {
    *number == 0
}
