//! The networks, alone and through the element, against what the reference code printed. Where no
//! network is needed, `golden_core.rs` compares.

#[path = "../common/mod.rs"]
mod common;
mod element;
mod faces;
mod live;
mod media;
mod networks;
mod pipeline;
mod roles;
