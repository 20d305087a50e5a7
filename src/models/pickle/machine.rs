//! The stack machine: opcodes of pickle protocols 2 to 5, as far as checkpoints use them.

use std::collections::HashMap;
use std::io::Read;

use super::globals::Global;
use super::input::Input;
use super::{Node, NodeId, Pickle, Problem, Value, limits};

pub(super) struct Machine<R> {
    input: Input<R>,
    nodes: Vec<Node>,
    /// How many containers deep each node is, beside `nodes`.
    depths: Vec<u8>,
    pub(super) stack: Vec<Value>,
    /// Heights of the stack where MARK was seen.
    marks: Vec<usize>,
    memo: HashMap<u32, Value>,
    work: usize,
}

impl<R: Read> Machine<R> {
    pub(super) fn new(input: Input<R>) -> Self {
        Self {
            input,
            nodes: Vec::new(),
            depths: Vec::new(),
            stack: Vec::new(),
            marks: Vec::new(),
            memo: HashMap::new(),
            work: 0,
        }
    }

    pub(super) fn position(&self) -> u64 {
        self.input.position()
    }

    /// Runs to STOP. The machine is spent afterwards.
    pub(super) fn run(&mut self) -> Result<Pickle, Problem> {
        loop {
            self.charge(1)?;
            let opcode = self.input.byte()?;
            if opcode == b'.' {
                let root = self.pop("STOP")?;
                return Ok(Pickle { nodes: std::mem::take(&mut self.nodes), root });
            }
            self.step(opcode)?;
        }
    }

    fn step(&mut self, opcode: u8) -> Result<(), Problem> {
        match opcode {
            // PROTO and FRAME say nothing that the opcodes themselves do not.
            0x80 => drop(self.input.array::<1>()?),
            0x95 => drop(self.input.array::<8>()?),
            b'N' | 0x88 | 0x89 | b'K' | b'M' | b'J' | b'G' | 0x8a | 0x8b => self.scalar(opcode)?,
            b'X' | 0x8c | 0x8d | b'T' | b'U' | b'B' | b'C' | 0x8e => self.string(opcode)?,
            b'(' => self.mark()?,
            b'0' => drop(self.pop("POP")?),
            b'1' => drop(self.pop_to_mark("POP_MARK")?),
            b'2' => {
                let top = self.top("DUP")?;
                self.stack.push(top);
            }
            b')' => self.new_node(Node::Tuple(Vec::new()), &[])?,
            0x85 => self.tuple_of(1)?,
            0x86 => self.tuple_of(2)?,
            0x87 => self.tuple_of(3)?,
            b't' => {
                let items = self.pop_to_mark("TUPLE")?;
                self.new_tuple(items)?;
            }
            b']' => self.new_node(Node::List(Vec::new()), &[])?,
            b'}' => self.new_node(Node::Dict(Vec::new()), &[])?,
            0x8f => self.new_node(Node::Inert, &[])?,
            0x91 => {
                self.pop_to_mark("FROZENSET")?;
                self.new_node(Node::Inert, &[])?;
            }
            b'a' => {
                let item = self.pop("APPEND")?;
                self.append("APPEND", vec![item])?;
            }
            b'e' => {
                let items = self.pop_to_mark("APPENDS")?;
                self.append("APPENDS", items)?;
            }
            0x90 => {
                self.pop_to_mark("ADDITEMS")?;
                self.top("ADDITEMS")?;
            }
            b's' => {
                let value = self.pop("SETITEM")?;
                let key = self.pop("SETITEM")?;
                self.set_items("SETITEM", vec![key, value])?;
            }
            b'u' => {
                let items = self.pop_to_mark("SETITEMS")?;
                self.set_items("SETITEMS", items)?;
            }
            b'q' | b'r' | 0x94 => self.put_memo(opcode)?,
            b'h' | b'j' => self.get_memo(opcode)?,
            b'c' | 0x93 => self.global(opcode)?,
            b'R' | 0x81 => self.call()?,
            // NEWOBJ_EX: named arguments as well, which no class here has.
            0x92 => {
                self.pop("NEWOBJ_EX")?;
                self.call()?;
            }
            b'b' => self.build()?,
            b'Q' => self.persistent_id()?,
            _ => return Err(Problem::UnknownOpcode(opcode)),
        }
        Ok(())
    }

    fn charge(&mut self, work: usize) -> Result<(), Problem> {
        self.work += work;
        if self.work > limits::WORK {
            return Err(Problem::TooMuch { what: "steps", limit: limits::WORK as u64 });
        }
        Ok(())
    }

    fn scalar(&mut self, opcode: u8) -> Result<(), Problem> {
        let value = match opcode {
            0x88 => Value::Bool(true),
            0x89 => Value::Bool(false),
            b'K' => Value::Int(self.input.byte()?.into()),
            b'M' => Value::Int(u16::from_le_bytes(self.input.array()?).into()),
            b'J' => Value::Int(i32::from_le_bytes(self.input.array()?).into()),
            b'G' => Value::Float(f64::from_be_bytes(self.input.array()?)),
            0x8a => {
                let len = u64::from(self.input.byte()?);
                self.long(len)?
            }
            0x8b => {
                let len = u32::from_le_bytes(self.input.array()?);
                self.long(len.into())?
            }
            _ => Value::None,
        };
        self.stack.push(value);
        Ok(())
    }

    /// A little-endian two's complement integer of any length.
    fn long(&mut self, len: u64) -> Result<Value, Problem> {
        let bytes = self.input.bytes(len)?;
        let negative = bytes.last().is_some_and(|b| b & 0x80 != 0);
        let mut wide = [if negative { 0xff } else { 0 }; 8];
        match wide.get_mut(..bytes.len()) {
            Some(low) => {
                low.copy_from_slice(&bytes);
                Ok(Value::Int(i64::from_le_bytes(wide)))
            }
            // Only the magic number of a legacy file is that large.
            None if !negative => {
                let wide = bytes.iter().rev().fold(0.0, |sum, b| sum * 256.0 + f64::from(*b));
                Ok(Value::Float(wide))
            }
            None => Err(unexpected("LONG", "a negative number beyond 64 bits", "a count")),
        }
    }

    fn string(&mut self, opcode: u8) -> Result<(), Problem> {
        let len = match opcode {
            0x8c | b'U' | b'C' => self.input.byte()?.into(),
            b'X' | b'T' | b'B' => u32::from_le_bytes(self.input.array()?).into(),
            _ => u64::from_le_bytes(self.input.array()?),
        };
        let node = match opcode {
            b'B' | b'C' | 0x8e => {
                self.input.bytes(len)?;
                Node::Bytes
            }
            _ => Node::Text(self.input.text(len)?),
        };
        self.new_node(node, &[])
    }

    fn mark(&mut self) -> Result<(), Problem> {
        if self.marks.len() >= usize::from(limits::DEPTH) {
            return Err(too_deep());
        }
        self.marks.push(self.stack.len());
        Ok(())
    }

    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    pub(super) fn pop(&mut self, opcode: &'static str) -> Result<Value, Problem> {
        if self.stack.len() <= self.floor() {
            return Err(unexpected(opcode, "an empty stack", "a value"));
        }
        self.stack.pop().ok_or(unexpected(opcode, "an empty stack", "a value"))
    }

    fn top(&self, opcode: &'static str) -> Result<Value, Problem> {
        let above_mark = self.stack.get(self.floor()..).and_then(<[_]>::last);
        above_mark.copied().ok_or(unexpected(opcode, "an empty stack", "a value"))
    }

    fn pop_to_mark(&mut self, opcode: &'static str) -> Result<Vec<Value>, Problem> {
        let mark = self.marks.pop().ok_or(unexpected(opcode, "no mark", "a mark"))?;
        let items = self.stack.split_off(mark.min(self.stack.len()));
        self.charge(items.len())?;
        Ok(items)
    }

    fn depth(&self, value: &Value) -> u8 {
        match value {
            Value::Node(NodeId(i)) => self.depths.get(*i).copied().unwrap_or(0),
            _ => 0,
        }
    }

    fn depth_around(&self, children: &[Value]) -> Result<u8, Problem> {
        let deepest = children.iter().map(|c| self.depth(c)).max().unwrap_or(0);
        if deepest >= limits::DEPTH { Err(too_deep()) } else { Ok(deepest + 1) }
    }

    pub(super) fn new_node(&mut self, node: Node, children: &[Value]) -> Result<(), Problem> {
        let depth = self.depth_around(children)?;
        self.stack.push(Value::Node(NodeId(self.nodes.len())));
        self.nodes.push(node);
        self.depths.push(depth);
        Ok(())
    }

    fn new_tuple(&mut self, items: Vec<Value>) -> Result<(), Problem> {
        let children = items.clone();
        self.new_node(Node::Tuple(items), &children)
    }

    fn tuple_of(&mut self, len: usize) -> Result<(), Problem> {
        let mut items = Vec::with_capacity(len);
        for _ in 0..len {
            items.push(self.pop("TUPLE")?);
        }
        items.reverse();
        self.new_tuple(items)
    }

    /// The container on top of the stack, after noting that it now holds `children`.
    fn container(
        &mut self,
        opcode: &'static str,
        children: &[Value],
    ) -> Result<&mut Node, Problem> {
        let depth = self.depth_around(children)?;
        let nothing = || unexpected(opcode, "a scalar", "a container");
        let Value::Node(NodeId(i)) = self.top(opcode)? else { return Err(nothing()) };
        if let Some(d) = self.depths.get_mut(i) {
            *d = depth.max(*d);
        }
        self.nodes.get_mut(i).ok_or_else(nothing)
    }

    fn append(&mut self, opcode: &'static str, items: Vec<Value>) -> Result<(), Problem> {
        match self.container(opcode, &items)? {
            Node::List(list) => list.extend(items),
            Node::Inert | Node::Placeholder(_) => {}
            _ => return Err(unexpected(opcode, "another object", "a list")),
        }
        Ok(())
    }

    fn set_items(&mut self, opcode: &'static str, items: Vec<Value>) -> Result<(), Problem> {
        let pairs = items.as_chunks::<2>();
        if !pairs.1.is_empty() {
            return Err(unexpected(opcode, "a key without a value", "pairs"));
        }
        match self.container(opcode, &items)? {
            Node::Dict(dict) => dict.extend(pairs.0.iter().map(|[k, v]| (*k, *v))),
            Node::Inert | Node::Placeholder(_) => {}
            _ => return Err(unexpected(opcode, "another object", "a dictionary")),
        }
        Ok(())
    }

    fn put_memo(&mut self, opcode: u8) -> Result<(), Problem> {
        let index = match opcode {
            b'q' => self.input.byte()?.into(),
            b'r' => u32::from_le_bytes(self.input.array()?),
            _ => self.memo.len().try_into().unwrap_or(u32::MAX),
        };
        let top = self.top("PUT")?;
        self.memo.insert(index, top);
        if self.memo.len() > limits::MEMO {
            return Err(Problem::TooMuch { what: "memo entries", limit: limits::MEMO as u64 });
        }
        Ok(())
    }

    fn get_memo(&mut self, opcode: u8) -> Result<(), Problem> {
        let index = match opcode {
            b'h' => self.input.byte()?.into(),
            _ => u32::from_le_bytes(self.input.array()?),
        };
        let value = self.memo.get(&index).ok_or(Problem::NoMemo(index))?;
        self.stack.push(*value);
        Ok(())
    }

    fn global(&mut self, opcode: u8) -> Result<(), Problem> {
        let (module, name) = if opcode == b'c' {
            (self.input.line()?, self.input.line()?)
        } else {
            let name = self.pop("STACK_GLOBAL")?;
            let module = self.pop("STACK_GLOBAL")?;
            let text = |value| self.text("STACK_GLOBAL", value).map(str::to_owned);
            (text(module)?, text(name)?)
        };
        let node = match Global::lookup(&module, &name) {
            Some(global) => Node::Global(global),
            None => Node::Placeholder(placeholder(&module, &name)),
        };
        self.new_node(node, &[])
    }

    /// BUILD: an object's attributes. Those of a namespace are kept; to a tensor or a dictionary
    /// none matters.
    fn build(&mut self) -> Result<(), Problem> {
        let state = self.pop("BUILD")?;
        let object = self.top("BUILD")?;
        if let Some(Node::Namespace(_)) = self.node(object)
            && let Node::Namespace(attributes) = self.container("BUILD", &[state])?
        {
            *attributes = Some(state);
        }
        Ok(())
    }

    pub(super) fn node(&self, value: Value) -> Option<&Node> {
        match value {
            Value::Node(NodeId(i)) => self.nodes.get(i),
            _ => None,
        }
    }

    pub(super) fn tuple(&self, opcode: &'static str, value: Value) -> Result<&[Value], Problem> {
        match self.node(value) {
            Some(Node::Tuple(items)) => Ok(items),
            _ => Err(unexpected(opcode, "another object", "a tuple")),
        }
    }

    pub(super) fn text(&self, opcode: &'static str, value: Value) -> Result<&str, Problem> {
        match self.node(value) {
            Some(Node::Text(text)) => Ok(text),
            _ => Err(unexpected(opcode, "another object", "a string")),
        }
    }
}

/// The name of a global that is not known, as far as it is of use in a message.
fn placeholder(module: &str, name: &str) -> Box<str> {
    const LONGEST: usize = 48;
    let short = |text: &str| text.chars().take(LONGEST).collect::<String>();
    format!("{}.{}", short(module), short(name)).into()
}

fn too_deep() -> Problem {
    Problem::TooMuch { what: "nested containers", limit: limits::DEPTH.into() }
}

pub(super) fn unexpected(
    opcode: &'static str,
    found: &'static str,
    expected: &'static str,
) -> Problem {
    Problem::Unexpected { opcode, found, expected }
}
