//! What is on which page, and how it belongs together for readers that do not look at it.

use std::rc::Rc;

use krilla::image::Image;
use krilla::tagging::{Tag, TagKind};

use super::color::Color;
use super::text::Lines;

/// A4 in points.
pub(super) const PAGE: [f32; 2] = [595.28, 841.89];
pub(super) const MARGIN: f32 = 54.0;
/// Of what is between the margins.
pub(super) const WIDTH: f32 = PAGE[0] - 2.0 * MARGIN;
const TOP: f32 = MARGIN;
/// The footer is below.
const BOTTOM: f32 = PAGE[1] - MARGIN - 12.0;

/// Something to draw, in points from a page's top left corner.
pub(super) enum Shape {
    Line { lines: Rc<Lines>, number: usize, x: f32, y: f32 },
    Rect { x: f32, y: f32, width: f32, height: f32, paint: Paint },
    Path { points: Vec<[f32; 2]>, pen: Pen },
    Image { image: Image, x: f32, y: f32, width: f32, height: f32 },
}

pub(super) enum Paint {
    Fill(Color),
    Outline(Pen),
}

#[derive(Clone, Copy)]
pub(super) struct Pen {
    pub(super) color: Color,
    pub(super) width: f32,
    /// Lengths of dashes and of what is between them.
    pub(super) dash: Option<[f32; 2]>,
    pub(super) opacity: f32,
}

/// What is drawn together.
pub(super) struct Placed {
    pub(super) shapes: Vec<Shape>,
    pub(super) meaning: Meaning,
}

pub(super) enum Meaning {
    /// A part of what a node of the tree says.
    Content,
    /// For the eye only.
    Ornament,
}

/// A part of the document's logical structure.
pub(super) struct Node {
    pub(super) tag: TagKind,
    pub(super) children: Vec<Child>,
}

pub(super) enum Child {
    Node(NodeId),
    /// What is drawn: its page and place in it.
    Content {
        page: usize,
        place: usize,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NodeId(usize);

/// Where a reader can go to.
pub(super) struct Bookmark {
    pub(super) name: String,
    pub(super) page: usize,
    pub(super) y: f32,
}

/// Pages that are being filled, from top to bottom.
pub(super) struct Pages {
    pub(super) pages: Vec<Vec<Placed>>,
    nodes: Vec<Node>,
    pub(super) bookmarks: Vec<Bookmark>,
    /// Where the next block begins.
    y: f32,
}

impl Pages {
    /// What all nodes are below.
    pub(super) const ROOT: NodeId = NodeId(0);

    pub(super) fn new() -> Self {
        let root = Node { tag: Tag::Div.into(), children: Vec::new() };
        Self { pages: vec![Vec::new()], nodes: vec![root], bookmarks: Vec::new(), y: TOP }
    }

    pub(super) fn node(&self, id: NodeId) -> Option<&Node> {
        self.nodes.get(id.0)
    }

    /// A new node, the last of its parent.
    pub(super) fn open(&mut self, parent: NodeId, tag: impl Into<TagKind>) -> NodeId {
        let id = NodeId(self.nodes.len());
        self.nodes.push(Node { tag: tag.into(), children: Vec::new() });
        if let Some(parent) = self.nodes.get_mut(parent.0) {
            parent.children.push(Child::Node(id));
        }
        id
    }

    pub(super) fn y(&self) -> f32 {
        self.y
    }

    pub(super) fn page(&self) -> usize {
        self.pages.len() - 1
    }

    /// Leaves room below what was drawn, but not at the top of a page.
    pub(super) fn skip(&mut self, points: f32) {
        if self.y > TOP {
            self.y += points;
        }
    }

    /// Goes to the next page where less than this is left of one; what is taller than a page begins one.
    /// Whether it did.
    pub(super) fn reserve(&mut self, points: f32) -> bool {
        let fits = self.y + points <= BOTTOM || self.y <= TOP;
        if !fits {
            self.pages.push(Vec::new());
            self.y = TOP;
        }
        !fits
    }

    /// Moves on, below what was drawn by place.
    pub(super) fn advance(&mut self, points: f32) {
        self.y += points;
    }

    /// Draws on this page what a node says.
    pub(super) fn draw(&mut self, node: NodeId, shapes: Vec<Shape>) {
        let page = self.page();
        let Some(placed) = self.pages.get_mut(page) else { return };
        let place = placed.len();
        placed.push(Placed { shapes, meaning: Meaning::Content });
        if let Some(node) = self.nodes.get_mut(node.0) {
            node.children.push(Child::Content { page, place });
        }
    }

    /// Draws on this page what is for the eye only.
    pub(super) fn ornament(&mut self, shapes: Vec<Shape>) {
        if let Some(placed) = self.pages.last_mut() {
            placed.push(Placed { shapes, meaning: Meaning::Ornament });
        }
    }

    /// A text's lines one below the other, over as many pages as it takes, from an indent.
    pub(super) fn lines(&mut self, node: NodeId, lines: &Rc<Lines>, indent: f32) {
        for (number, (top, bottom)) in lines.heights().enumerate() {
            self.reserve(bottom - top);
            // A line knows its place from the text's top.
            let y = self.y - top;
            let line = Shape::Line { lines: Rc::clone(lines), number, x: MARGIN + indent, y };
            self.draw(node, vec![line]);
            self.y += bottom - top;
        }
    }

    pub(super) fn bookmark(&mut self, name: String) {
        self.bookmarks.push(Bookmark { name, page: self.page(), y: self.y });
    }
}

/// A text's lines with its top left corner at a place.
pub(super) fn at(lines: &Rc<Lines>, x: f32, y: f32) -> Vec<Shape> {
    let numbers = 0..lines.heights().count();
    numbers.map(|number| Shape::Line { lines: Rc::clone(lines), number, x, y }).collect()
}
