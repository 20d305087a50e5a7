//! One key of one section, and what its value may be.

use std::str::FromStr;

use strum::VariantNames;

use crate::core::image::Normalization;
use crate::core::modelinfo::{ModelInfoError, Template};

/// One key of one section, with what an error about it needs to say.
pub(super) struct Key<'a> {
    pub section: &'a str,
    pub key: &'a str,
    pub value: &'a str,
}

type Read<T> = Result<T, ModelInfoError>;

impl Key<'_> {
    pub fn wrong(&self, expected: impl Into<String>) -> ModelInfoError {
        ModelInfoError::Value {
            section: self.section.to_owned(),
            key: self.key.to_owned(),
            value: self.value.to_owned(),
            expected: expected.into(),
        }
    }

    pub fn text(&self) -> String {
        self.value.to_owned()
    }

    /// One of the names that `T` goes by.
    pub fn one_of<T: FromStr + VariantNames>(&self) -> Read<T> {
        self.value.parse().map_err(|_| self.wrong(T::VARIANTS.join(", ")))
    }

    /// A finite number in `low..=high`.
    pub fn number(&self, low: f64, high: f64, expected: &str) -> Read<f64> {
        let number = self.value.parse().ok().filter(|x: &f64| (low..=high).contains(x));
        number.ok_or_else(|| self.wrong(expected))
    }

    pub fn part(&self) -> Read<f64> {
        self.number(0.0, 1.0, "a number from 0 to 1")
    }

    pub fn finite(&self) -> Read<f64> {
        self.number(f64::MIN, f64::MAX, "a number")
    }

    pub fn count(&self) -> Read<u32> {
        self.value.parse().map_err(|_| self.wrong("a whole number"))
    }

    /// `a,b` with `low <= a <= b <= high`.
    pub fn range(&self, low: f64, high: f64, expected: &str) -> Read<(f64, f64)> {
        let pair = self.pairs().filter(|pairs| pairs.len() == 1);
        let pair = pair.and_then(|pairs| pairs.first().copied());
        let in_order = |(a, b): &(f64, f64)| low <= *a && a <= b && *b <= high;
        pair.filter(in_order).ok_or_else(|| self.wrong(expected))
    }

    /// `a,b;c,d;…`, finite.
    fn pairs(&self) -> Option<Vec<(f64, f64)>> {
        let rows = self.rows()?;
        rows.iter()
            .map(|row| <[f64; 2]>::try_from(row.as_slice()).ok())
            .collect::<Option<Vec<_>>>()
            .map(|pairs| pairs.into_iter().map(|[a, b]| (a, b)).collect())
    }

    /// Numbers separated by commas, rows of them by semicolons; finite.
    fn rows(&self) -> Option<Vec<Vec<f64>>> {
        let number = |text: &str| text.trim().parse().ok().filter(|x: &f64| x.is_finite());
        let row = |text: &str| text.split(',').map(number).collect::<Option<Vec<_>>>();
        self.value.split(';').map(row).collect()
    }

    /// Three numbers, one for each channel.
    pub fn channels(&self) -> Read<[f32; 3]> {
        let rows = self.rows().filter(|rows| rows.len() == 1);
        let row = rows.and_then(|rows| <[f64; 3]>::try_from(rows.concat()).ok());
        let row =
            row.map(|row| row.map(|x| x as f32)).filter(|row| row.iter().all(|x| x.is_finite()));
        row.ok_or_else(|| self.wrong("three numbers separated by commas"))
    }

    /// Sizes separated by commas; one below zero is any.
    pub fn dims(&self) -> Read<Vec<Option<usize>>> {
        let size = |text: &str| {
            let size: i64 = text.trim().parse().ok()?;
            Some(usize::try_from(size).ok())
        };
        let sizes: Option<Vec<_>> = self.value.split(',').map(size).collect();
        sizes.ok_or_else(|| self.wrong("sizes separated by commas, -1 for any"))
    }

    /// `min,max` once for all channels, or three times, separated by `;`.
    pub fn ranges(&self) -> Read<Normalization> {
        let single = |(a, b): (f64, f64)| {
            let (a, b) = (a as f32, b as f32);
            // Their difference, too, is what pixels are mapped by.
            (a.is_finite() && b.is_finite() && (b - a).is_finite()).then_some((a, b))
        };
        let pairs = self.pairs().unwrap_or_default();
        let pairs: Option<Vec<_>> = pairs.into_iter().map(single).collect();
        match pairs.as_deref() {
            Some([all]) => Ok(Normalization::from_ranges([*all; 3])),
            Some([a, b, c]) => Ok(Normalization::from_ranges([*a, *b, *c])),
            _ => Err(self.wrong("one or three pairs min,max separated by ;")),
        }
    }

    /// A template's name, or its five points.
    pub fn template(&self) -> Read<Template> {
        const EXPECTED: &str = "m2sd, gend, or five points x,y separated by ; in parts of the side: \
                                eyes, nose, mouth corners, no two in one place";
        if let Some((_, template)) = Template::NAMES.iter().find(|(name, _)| *name == self.value) {
            return Ok(*template);
        }
        let points =
            self.pairs().map(|pairs| pairs.iter().map(|(x, y)| [*x, *y]).collect::<Vec<_>>());
        let points = points.and_then(|points| <[[f64; 2]; 5]>::try_from(points).ok());
        let inside = |points: &[[f64; 2]; 5]| {
            let near = |v: &f64| (-1.0..=2.0).contains(v);
            let apart = |a: &[f64; 2], b: &[f64; 2]| (a[0] - b[0]).hypot(a[1] - b[1]) > 0.01;
            let pairs = points
                .iter()
                .enumerate()
                .flat_map(|(n, a)| points[n + 1..].iter().map(move |b| (a, b)));
            points.iter().flatten().all(near) && { pairs }.all(|(a, b)| apart(a, b))
        };
        points.filter(inside).map(Template).ok_or_else(|| self.wrong(EXPECTED))
    }

    /// The sides of the anchors of each level.
    pub fn anchors(&self) -> Read<Vec<Vec<f32>>> {
        let side = |x: f64| (1.0..=4096.0).contains(&x).then_some(x as f32);
        let level = |row: Vec<f64>| row.into_iter().map(side).collect::<Option<Vec<_>>>();
        let levels = self.rows().and_then(|rows| rows.into_iter().map(level).collect());
        levels.ok_or_else(|| {
            self.wrong("sides in px separated by commas, levels by ; such as 16,32;64,128;256,512")
        })
    }

    /// Points of a rising line.
    pub fn knots(&self) -> Read<Vec<(f64, f64)>> {
        let rising = |knots: &Vec<(f64, f64)>| {
            knots.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].1)
        };
        let knots = self.pairs().filter(rising);
        knots.ok_or_else(|| self.wrong("pairs log odds,ratio separated by ; in rising order"))
    }

    /// A proportion with the ends of its interval.
    pub fn rate(&self) -> Read<[f64; 3]> {
        let rows = self.rows().filter(|rows| rows.len() == 1);
        let row = rows.and_then(|rows| <[f64; 3]>::try_from(rows.concat()).ok());
        let sound = |[value, low, high]: &[f64; 3]| {
            0.0 <= *low && low <= value && value <= high && *high <= 1.0
        };
        row.filter(sound).ok_or_else(|| {
            self.wrong("value,low,high, each from 0 to 1, low to high around the value")
        })
    }
}
