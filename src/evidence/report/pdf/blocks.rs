//! A report's blocks, laid out on pages.

use std::num::NonZeroU16;
use std::rc::Rc;

use krilla::tagging::{ListNumbering, TableHeaderScope, Tag};

use super::PdfError;
use super::color::{Color, LINE, PANEL, QUIET, WARN};
use super::draw;
use super::layout::{MARGIN, NodeId, Pages, Paint, Shape, WIDTH, at};
use super::text::{Lines, Look, Typesetter};
use crate::evidence::report::document::{
    Align, Block, Column, Document, Drawing, DrawingKind, Picture, Shape as PictureShape, Span,
    Table, Text, plain,
};

const TITLE: Look = Look { size: 18.0, is_bold: true, ..Look::BODY };
const SECTION: Look = Look { size: 13.0, is_bold: true, ..Look::BODY };
const PART: Look = Look { size: 11.0, is_bold: true, ..Look::BODY };
const CODE: Look = Look { size: 9.0, is_code: true, ..Look::BODY };
const CELL: Look = Look { size: 9.0, ..Look::BODY };
const HEAD: Look = Look { is_bold: true, ..CELL };
const NAME: Look = Look { color: QUIET, ..CELL };
/// Between blocks.
const GAP: f32 = 6.0;
/// A heading stays with at least this much of what it heads.
const COMPANY: f32 = 60.0;
/// Between a table's columns.
const GUTTER: f32 = 12.0;
/// The first column of facts.
const NAMES: f32 = 130.0;
const PICTURE: f32 = 110.0;

pub(super) fn lay_out(document: &Document, typesetter: &mut Typesetter) -> Result<Pages, PdfError> {
    let mut report = Report { pages: Pages::new(), typesetter };
    report.heading(1, &plain(format!("Faces in {}", document.title)), TITLE, None);
    report.blocks(Pages::ROOT, &document.summary)?;
    for section in &document.sections {
        report.pages.skip(14.0);
        report.heading(2, &section.heading, SECTION, section.blocks.first());
        report.blocks(Pages::ROOT, &section.blocks)?;
    }
    report.pages.skip(14.0);
    report.paragraph(Pages::ROOT, &document.footer, Look::SMALL);
    Ok(report.pages)
}

struct Report<'a> {
    pages: Pages,
    typesetter: &'a mut Typesetter,
}

impl Report<'_> {
    /// A heading, with room for the beginning of the block that it heads.
    fn heading(&mut self, level: u16, text: &Text, look: Look, next: Option<&Block>) {
        let lines = self.typesetter.set(text, look, Some(WIDTH));
        let company = match next {
            Some(Block::Pictures(_)) => COMPANY + PICTURE,
            _ => COMPANY,
        };
        self.pages.reserve(lines.height() + company);
        let name: String = text.iter().map(|span| span.text.as_str()).collect();
        if level == 2 {
            self.pages.bookmark(name.clone());
        }
        let level = NonZeroU16::new(level).unwrap_or(NonZeroU16::MIN);
        let node = self.pages.open(Pages::ROOT, Tag::Hn(level, Some(name)));
        self.pages.lines(node, &lines, 0.0);
        self.pages.skip(GAP);
    }

    fn paragraph(&mut self, parent: NodeId, text: &Text, look: Look) {
        let lines = self.typesetter.set(text, look, Some(WIDTH));
        let node = self.pages.open(parent, Tag::P);
        self.pages.lines(node, &lines, 0.0);
        self.pages.skip(GAP);
    }

    fn blocks(&mut self, parent: NodeId, blocks: &[Block]) -> Result<(), PdfError> {
        for (n, block) in blocks.iter().enumerate() {
            self.block(parent, block, blocks.get(n + 1))?;
        }
        Ok(())
    }

    fn block(
        &mut self,
        parent: NodeId,
        block: &Block,
        next: Option<&Block>,
    ) -> Result<(), PdfError> {
        match block {
            Block::Heading(text) => {
                self.pages.skip(GAP);
                self.heading(3, &plain(text), PART, next);
            }
            Block::Paragraph(text) => self.paragraph(parent, text, Look::BODY),
            Block::Note(text) => {
                self.paragraph(parent, text, Look { color: QUIET, ..Look::BODY });
            }
            Block::Warning(text) => self.panel(parent, text, Look::BODY, Some(WARN)),
            Block::Command(command) => self.panel(parent, &plain(command), CODE, None),
            Block::List(items) => self.list(parent, items),
            Block::Facts(facts) => self.facts(parent, facts),
            Block::Table(table) => self.table(parent, table),
            Block::Drawing(drawing) => self.drawing(parent, drawing)?,
            Block::Pictures(pictures) => self.pictures(parent, pictures)?,
            // There is nothing to fold on paper.
            Block::Folded { summary, blocks } => {
                self.paragraph(parent, &vec![Span::strong(summary)], Look::BODY);
                self.blocks(parent, blocks)?;
            }
        }
        Ok(())
    }

    /// A paragraph on a ground of its own, with a bar of a colour beside it.
    fn panel(&mut self, parent: NodeId, text: &Text, look: Look, bar: Option<Color>) {
        let lines = self.typesetter.set(text, look, Some(WIDTH - 20.0));
        let height = lines.height() + 8.0;
        self.pages.reserve(height);
        let y = self.pages.y();
        let fill = |x, width, color| Shape::Rect { x, y, width, height, paint: Paint::Fill(color) };
        let mut ground = vec![fill(MARGIN, WIDTH, PANEL)];
        ground.extend(bar.map(|color| fill(MARGIN, 3.0, color)));
        self.pages.ornament(ground);
        let node = self.pages.open(parent, Tag::P);
        self.pages.draw(node, at(&lines, MARGIN + 10.0, y + 4.0));
        self.pages.advance(height + GAP);
    }

    fn list(&mut self, parent: NodeId, items: &[Text]) {
        let list = self.pages.open(parent, Tag::L(ListNumbering::Disc));
        let bullet = self.typesetter.set(&plain("•"), Look::BODY, None);
        for item in items {
            let lines = self.typesetter.set(item, Look::BODY, Some(WIDTH - 14.0));
            let first = lines.heights().next().map_or(0.0, |(top, bottom)| bottom - top);
            self.pages.reserve(first);
            let node = self.pages.open(list, Tag::LI);
            let label = self.pages.open(node, Tag::Lbl);
            self.pages.draw(label, at(&bullet, MARGIN + 3.0, self.pages.y()));
            let body = self.pages.open(node, Tag::LBody);
            self.pages.lines(body, &lines, 14.0);
            self.pages.advance(2.0);
        }
        self.pages.skip(GAP);
    }

    fn facts(&mut self, parent: NodeId, facts: &[(String, Text)]) {
        let table = self.pages.open(parent, Tag::Table);
        for (name, value) in facts {
            let name = self.typesetter.set(&plain(name), NAME, Some(NAMES - GUTTER));
            let value = self.typesetter.set(value, CELL, Some(WIDTH - NAMES));
            let row = [(MARGIN, Rc::clone(&name)), (MARGIN + NAMES, Rc::clone(&value))];
            self.row(table, row, Head::Row);
        }
        self.pages.skip(GAP);
    }

    /// A row of cells at their places.
    fn row(
        &mut self,
        table: NodeId,
        cells: impl IntoIterator<Item = (f32, Rc<Lines>)>,
        head: Head,
    ) {
        let cells: Vec<_> = cells.into_iter().collect();
        let height = cells.iter().map(|(_, lines)| lines.height()).fold(0.0, f32::max);
        self.pages.reserve(height + 3.0);
        let y = self.pages.y();
        let row = self.pages.open(table, Tag::TR);
        for (n, (x, lines)) in cells.iter().enumerate() {
            let cell = match head {
                Head::Column => self.pages.open(row, Tag::TH(TableHeaderScope::Column)),
                Head::Row if n == 0 => self.pages.open(row, Tag::TH(TableHeaderScope::Row)),
                Head::Row => self.pages.open(row, Tag::TD),
            };
            self.pages.draw(cell, at(lines, *x, y));
        }
        self.pages.advance(height + 1.5);
        self.rule();
        self.pages.advance(1.5);
    }

    fn rule(&mut self) {
        let paint = Paint::Fill(LINE);
        let rule = Shape::Rect { x: MARGIN, y: self.pages.y(), width: WIDTH, height: 0.5, paint };
        self.pages.ornament(vec![rule]);
    }

    fn table(&mut self, parent: NodeId, table: &Table) {
        let widths = self.widths(table);
        let node = self.pages.open(parent, Tag::Table);
        if table.shows_name {
            let name = self.typesetter.set(&plain(&table.name), Look::SMALL, Some(WIDTH));
            self.pages.reserve(name.height() + COMPANY);
            let caption = self.pages.open(node, Tag::Caption);
            self.pages.lines(caption, &name, 0.0);
        }
        self.pages.reserve(COMPANY);
        let names = table.columns.iter().map(|column| Span::plain(&column.name));
        let names: Vec<_> = names.collect();
        let cells = self.cells(&names, &table.columns, &widths, HEAD);
        let head = self.pages.open(node, Tag::THead);
        self.row(head, cells, Head::Column);
        let body = self.pages.open(node, Tag::TBody);
        for row in &table.rows {
            let cells = self.cells(row, &table.columns, &widths, CELL);
            self.row(body, cells, Head::Row);
        }
        self.pages.skip(GAP);
    }

    fn cells(
        &mut self,
        row: &[Span],
        columns: &[Column],
        widths: &[f32],
        look: Look,
    ) -> Vec<(f32, Rc<Lines>)> {
        let mut x = MARGIN;
        let mut cells = Vec::new();
        for ((span, column), width) in row.iter().zip(columns).zip(widths) {
            let lines = self.typesetter.set(std::slice::from_ref(span), look, Some(*width));
            let room = (width - lines.width()).max(0.0);
            let indent = if column.align == Align::End { room } else { 0.0 };
            cells.push((x + indent, lines));
            x += width + GUTTER;
        }
        cells
    }

    /// What columns need, and where that is too much, what there is in parts of their needs.
    fn widths(&mut self, table: &Table) -> Vec<f32> {
        let mut widths = Vec::new();
        for (n, column) in table.columns.iter().enumerate() {
            let head = self.typesetter.set(&plain(&column.name), HEAD, None).width();
            let cells = table.rows.iter().filter_map(|row| row.get(n));
            let cells = cells
                .map(|cell| self.typesetter.set(std::slice::from_ref(cell), CELL, None).width());
            // Rounding must not break a line.
            widths.push(cells.fold(head, f32::max) + 1.0);
        }
        let gutters = GUTTER * widths.len().saturating_sub(1) as f32;
        let (all, room) = (widths.iter().sum::<f32>(), WIDTH - gutters);
        let scale = (room / all).min(1.0);
        widths.into_iter().map(|width| width * scale).collect()
    }

    fn drawing(&mut self, parent: NodeId, drawing: &Drawing) -> Result<(), PdfError> {
        let width = match drawing.kind {
            DrawingKind::Timeline => WIDTH,
            DrawingKind::Path => WIDTH * 0.45,
        };
        let [from_width, from_height] = drawing.size.map(|side| side as f32);
        let scale = width / from_width.max(1.0);
        let caption = self.typesetter.set(&plain(&drawing.caption), Look::SMALL, Some(WIDTH));
        self.pages.reserve(from_height * scale + caption.height() + GAP);
        let y = self.pages.y();
        let shapes = draw::shapes(drawing, [MARGIN, y], scale, self.typesetter)?;
        let figure = self.pages.open(parent, Tag::Figure(Some(drawing.alt.clone())));
        self.pages.draw(figure, shapes);
        self.pages.advance(from_height * scale + 2.0);
        let node = self.pages.open(parent, Tag::P);
        self.pages.lines(node, &caption, 0.0);
        self.pages.skip(GAP);
        Ok(())
    }

    fn pictures(&mut self, parent: NodeId, pictures: &[Picture]) -> Result<(), PdfError> {
        for row in pictures.chunks(3) {
            let slot = WIDTH / 3.0;
            let sized: Vec<_> = row.iter().map(|picture| (picture, size(picture))).collect();
            let captions: Vec<_> = row
                .iter()
                .map(|picture| {
                    let width =
                        if picture.shape == PictureShape::Square { slot - 10.0 } else { WIDTH };
                    self.typesetter.set(&plain(&picture.caption), Look::SMALL, Some(width))
                })
                .collect();
            let tallest = sized
                .iter()
                .map(|(picture, [_, height])| if picture.jpeg.is_some() { *height } else { 0.0 })
                .fold(0.0, f32::max);
            let below = captions.iter().map(|lines| lines.height()).fold(0.0, f32::max);
            self.pages.reserve(tallest + below + GAP);
            let y = self.pages.y();
            for (n, ((picture, [width, height]), caption)) in
                sized.iter().zip(&captions).enumerate()
            {
                let x = MARGIN + n as f32 * slot;
                if let Some(jpeg) = &picture.jpeg {
                    let image = draw::image(jpeg)?;
                    let figure = self.pages.open(parent, Tag::Figure(Some(picture.alt.clone())));
                    let (width, height) = (*width, *height);
                    self.pages.draw(figure, vec![Shape::Image { image, x, y, width, height }]);
                }
                let node = self.pages.open(parent, Tag::P);
                self.pages.draw(node, at(caption, x, y + tallest + 2.0));
            }
            self.pages.advance(tallest + below + 2.0 + GAP);
        }
        Ok(())
    }
}

/// Which of a row's cells are headings.
#[derive(Clone, Copy)]
enum Head {
    Column,
    Row,
}

/// Of a picture in points.
fn size(picture: &Picture) -> [f32; 2] {
    match picture.shape {
        PictureShape::Square => [PICTURE; 2],
        PictureShape::Strip(count) => [WIDTH, WIDTH / count.max(1) as f32],
    }
}
