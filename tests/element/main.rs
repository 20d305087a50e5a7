//! The element `m2sdfilter` with the analytic networks: faces are drawn, so every box and score
//! that must come out is known beforehand.

mod events;
mod faces;
mod flow;
mod formats;
mod metadata;
mod negotiation;
mod picture;
mod sizes;
mod support;
mod windows;
