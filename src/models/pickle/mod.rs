//! A reader for the pickles inside PyTorch checkpoints that cannot run anything.
//!
//! A pickle is a program for a stack machine. Python's own reader lets that program import any
//! function and call it; this one knows the few globals that checkpoints are made of
//! (`globals.rs`) and builds plain data from them. Every other name, and whatever is made by calling
//! it, is a placeholder that stands for nothing: no module is imported and no function run. What the
//! program may cost is limited by [`limits`]: nothing is allocated because a count says so, only
//! because the data behind the count has been read.

mod globals;
mod input;
mod machine;
mod objects;

use std::io::Read;

use thiserror::Error;

use globals::Global;
use input::Input;
use machine::Machine;

/// What one pickle may cost, beside some sixty bytes for each of its own, which are the smallest
/// objects. A training checkpoint with optimizer state stays far below each.
pub mod limits {
    /// Opcodes executed plus elements moved into containers.
    pub const WORK: usize = 4_000_000;
    /// Objects kept for later reference.
    pub const MEMO: usize = 1_000_000;
    /// Containers inside containers.
    pub const DEPTH: u8 = 64;
    /// Bytes of one string.
    pub const STRING_BYTES: u64 = 1 << 20;
    /// Bytes of all strings together.
    pub const ALL_STRINGS_BYTES: u64 = 1 << 26;
    /// Dimensions of one tensor.
    pub const RANK: usize = 8;
}

/// The element type of a storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DType {
    /// 64-bit floats.
    F64,
    /// 32-bit floats.
    F32,
    /// 16-bit floats of IEEE 754.
    F16,
    /// 16-bit floats with the exponent of 32-bit ones.
    BF16,
    /// Signed 64-bit integers.
    I64,
    /// Signed 32-bit integers.
    I32,
    /// Signed 16-bit integers.
    I16,
    /// Signed bytes.
    I8,
    /// Unsigned bytes.
    U8,
    /// One byte for a truth value.
    Bool,
}

impl DType {
    /// The size of an element.
    pub fn bytes(self) -> u64 {
        match self {
            Self::F64 | Self::I64 => 8,
            Self::F32 | Self::I32 => 4,
            Self::F16 | Self::BF16 | Self::I16 => 2,
            Self::I8 | Self::U8 | Self::Bool => 1,
        }
    }
}

/// One value on the machine's stack: a scalar, or a handle to an object of the
/// [`Pickle`].
///
/// Handles instead of owned trees: sharing and cycles, which pickles allow, cost nothing, and
/// neither reading nor dropping recurses.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value {
    /// Python's `None`.
    None,
    /// A truth value.
    Bool(bool),
    /// An integer of at most 64 bits.
    Int(i64),
    /// A float, or a positive integer of more than 64 bits.
    Float(f64),
    /// Anything larger.
    Node(NodeId),
}

/// An object of the pickle that it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NodeId(usize);

/// Everything that is larger than a scalar.
#[derive(Clone, Debug)]
enum Node {
    Text(String),
    Bytes,
    Tuple(Vec<Value>),
    List(Vec<Value>),
    Dict(Vec<(Value, Value)>),
    Global(Global),
    Storage(Box<StorageRef>),
    // In a box, as all nodes are as large as the largest, and most are the smallest.
    Tensor(Box<TensorRef>),
    /// An object of an allowed class whose content is of no interest here.
    Inert,
    /// An `argparse.Namespace`, with the dictionary of its attributes.
    Namespace(Option<Value>),
    /// What a global that is not known would have given: that, or an object made by it.
    Placeholder(Box<str>),
}

/// A storage as the pickle names it; its bytes lie elsewhere in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageRef {
    /// The storage's name in the file.
    pub key: String,
    /// Of its elements.
    pub dtype: DType,
    /// Elements, not bytes.
    pub numel: u64,
}

/// A tensor as the pickle describes it: a strided view of a storage, in elements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorRef {
    /// What it is a view of.
    pub storage: StorageRef,
    /// Its first element in the storage.
    pub offset: u64,
    /// The sizes of its axes.
    pub shape: Vec<u64>,
    /// Elements from one index of an axis to the next.
    pub stride: Vec<u64>,
}

/// What went wrong, and at which byte of the pickle's file.
#[derive(Debug, Error)]
#[error("pickle, byte {at}: {problem}")]
pub struct PickleError {
    /// From the start of the file.
    pub at: u64,
    /// What is wrong there.
    pub problem: Problem,
}

/// What is wrong with a pickle.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "each message says what its fields are")]
pub enum Problem {
    #[error("the data ends here; the file is truncated")]
    Truncated,
    #[error("cannot read: {0}")]
    Io(#[from] std::io::Error),
    #[error("opcode 0x{0:02x} is not one that checkpoints use (pickle protocols 2 to 5)")]
    UnknownOpcode(u8),
    #[error("more than {limit} {what}: not a checkpoint")]
    TooMuch { what: &'static str, limit: u64 },
    #[error("{opcode} found {found}, expected {expected}")]
    Unexpected { opcode: &'static str, found: &'static str, expected: &'static str },
    #[error("object {0} is referred to before it exists")]
    NoMemo(u32),
    #[error("a string is not UTF-8")]
    NotUtf8,
}

/// A pickle, read: its objects and the one that it stands for.
#[derive(Debug)]
pub struct Pickle {
    nodes: Vec<Node>,
    root: Value,
}

impl Pickle {
    /// Reads one pickle from the start of `reader` up to and including its STOP opcode, no byte
    /// further. `at` is the position of `reader` in its file, for error messages.
    pub fn read(reader: impl Read, at: u64) -> Result<Self, PickleError> {
        let mut machine = Machine::new(Input::new(reader, at));
        machine.run().map_err(|problem| PickleError { at: machine.position(), problem })
    }

    /// What the pickle stands for.
    pub fn root(&self) -> Value {
        self.root
    }

    fn node(&self, value: Value) -> Option<&Node> {
        match value {
            Value::Node(NodeId(i)) => self.nodes.get(i),
            _ => None,
        }
    }

    /// A string; `None` for anything else.
    pub fn text(&self, value: Value) -> Option<&str> {
        match self.node(value)? {
            Node::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The entries of a dictionary, in the order in which they were set.
    pub fn dict(&self, value: Value) -> Option<&[(Value, Value)]> {
        match self.node(value)? {
            Node::Dict(entries) => Some(entries),
            _ => None,
        }
    }

    /// The items of a list; `None` for anything else.
    pub fn list(&self, value: Value) -> Option<&[Value]> {
        match self.node(value)? {
            Node::List(items) => Some(items),
            _ => None,
        }
    }

    /// A tensor; `None` for anything else.
    pub fn tensor(&self, value: Value) -> Option<&TensorRef> {
        match self.node(value)? {
            Node::Tensor(tensor) => Some(tensor),
            _ => None,
        }
    }

    /// The attributes of a namespace, in the order in which they were set.
    pub fn attributes(&self, value: Value) -> Option<&[(Value, Value)]> {
        match self.node(value)? {
            Node::Namespace(attributes) => self.dict((*attributes)?),
            _ => None,
        }
    }

    /// The name of the global that this stands for, or was made by, where that is not known.
    pub fn placeholder(&self, value: Value) -> Option<&str> {
        match self.node(value)? {
            Node::Placeholder(global) => Some(global),
            _ => None,
        }
    }

    /// The object that a value is a handle to: two handles of the same are equal.
    pub fn place(&self, value: Value) -> Option<NodeId> {
        match value {
            Value::Node(node) => Some(node),
            _ => None,
        }
    }

    /// Every storage that the pickle names, in the order in which it names them.
    pub fn storages(&self) -> impl Iterator<Item = &StorageRef> {
        self.nodes.iter().filter_map(|node| match node {
            Node::Storage(storage) => Some(&**storage),
            _ => None,
        })
    }

    /// The value of `key` in a dictionary; the last one where it was set twice, as in Python.
    pub fn get(&self, dict: Value, key: &str) -> Option<Value> {
        let entries = self.dict(dict)?;
        entries.iter().rev().find(|(k, _)| self.text(*k) == Some(key)).map(|(_, v)| *v)
    }
}

#[cfg(test)]
mod tests;
