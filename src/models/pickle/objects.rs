//! What the allowed globals make: dictionaries, storages, tensors, placeholders.

use std::io::Read;

use super::globals::Global;
use super::machine::{Machine, unexpected};
use super::{Node, Problem, StorageRef, TensorRef, Value, limits};

impl<R: Read> Machine<R> {
    /// REDUCE and NEWOBJ: an allowed class or function, applied to a tuple. What is applied to a
    /// placeholder, or made by one, is a placeholder.
    pub(super) fn call(&mut self) -> Result<(), Problem> {
        let arguments = self.pop("REDUCE")?;
        let callee = self.pop("REDUCE")?;
        let global = match self.node(callee) {
            Some(Node::Global(global)) => *global,
            Some(Node::Placeholder(name)) => {
                let made = Node::Placeholder(name.clone());
                return self.new_node(made, &[]);
            }
            Some(Node::Inert) => return self.new_node(Node::Inert, &[]),
            _ => return Err(unexpected("REDUCE", "an object", "a class or function")),
        };
        let arguments = self.tuple("REDUCE", arguments)?;
        match (global, arguments) {
            (Global::Dict, [] | [_]) => self.new_node(Node::Dict(Vec::new()), &[]),
            (Global::Namespace, _) => self.new_node(Node::Namespace(None), &[]),
            (Global::RebuildTensor, &[storage, offset, size, stride, ..]) => {
                let made = match self.node(storage) {
                    Some(Node::Placeholder(name)) => Node::Placeholder(name.clone()),
                    _ => Node::Tensor(Box::new(self.tensor(storage, offset, size, stride)?)),
                };
                self.new_node(made, &[])
            }
            (Global::RebuildParameter | Global::Size, &[inner, ..]) => {
                self.stack.push(inner);
                Ok(())
            }
            (Global::Inert, _) => self.new_node(Node::Inert, &[]),
            _ => Err(unexpected("REDUCE", "other arguments", "those that PyTorch writes")),
        }
    }

    fn tensor(
        &self,
        storage: Value,
        offset: Value,
        size: Value,
        stride: Value,
    ) -> Result<TensorRef, Problem> {
        let Some(Node::Storage(storage)) = self.node(storage) else {
            return Err(unexpected("REDUCE", "another object", "a tensor's storage"));
        };
        let (shape, stride) = (self.dims(size)?, self.dims(stride)?);
        if shape.len() != stride.len() {
            return Err(unexpected("REDUCE", "strides of another rank", "one for each size"));
        }
        Ok(TensorRef { storage: StorageRef::clone(storage), offset: count(offset)?, shape, stride })
    }

    fn dims(&self, value: Value) -> Result<Vec<u64>, Problem> {
        let dims = self.tuple("REDUCE", value)?;
        if dims.len() > limits::RANK {
            let limit = limits::RANK as u64;
            return Err(Problem::TooMuch { what: "dimensions of a tensor", limit });
        }
        dims.iter().map(|d| count(*d)).collect()
    }

    /// `("storage", class, key, location, elements[, view])`.
    pub(super) fn persistent_id(&mut self) -> Result<(), Problem> {
        const OPCODE: &str = "BINPERSID";
        let id = self.pop(OPCODE)?;
        let (class, key, numel) = match self.tuple(OPCODE, id)? {
            &[kind, class, key, _, numel] | &[kind, class, key, _, numel, Value::None]
                if self.text(OPCODE, kind)? == "storage" =>
            {
                (class, key, numel)
            }
            [_, _, _, _, _, _] => {
                return Err(unexpected(OPCODE, "a view of a storage", "a whole storage"));
            }
            _ => return Err(unexpected(OPCODE, "another object", "a storage")),
        };
        let dtype = match self.node(class) {
            Some(Node::Global(Global::Storage(dtype))) => *dtype,
            Some(Node::Placeholder(name)) => {
                let unknown = Node::Placeholder(name.clone());
                return self.new_node(unknown, &[]);
            }
            _ => return Err(unexpected(OPCODE, "another class", "a storage class")),
        };
        let key = self.text(OPCODE, key)?;
        if key.len() > 64 {
            return Err(Problem::TooMuch { what: "bytes in a storage key", limit: 64 });
        }
        let storage = StorageRef { key: key.to_owned(), dtype, numel: count(numel)? };
        self.new_node(Node::Storage(Box::new(storage)), &[])
    }
}

fn count(value: Value) -> Result<u64, Problem> {
    match value {
        Value::Int(n) => {
            u64::try_from(n).map_err(|_| unexpected("REDUCE", "a negative number", "a count"))
        }
        _ => Err(unexpected("REDUCE", "another object", "a count")),
    }
}
