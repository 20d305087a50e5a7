//! The REST server with its page: what the cameras show and what was seen, over HTTP.
//!
//! ```text
//! connection ─► headers, host, rate, origin, token ─► router ─► Control (cameras, models, recordings)
//!   server                 guard                       routes └► Spool   (events, alerts)
//! ```
//!
//! | file or folder | holds |
//! | --- | --- |
//! | `config`, `token` | the section `[http]`; the secret that clients show |
//! | `server` | the socket, connections and their end |
//! | `guard`, `clients` | who may ask for what, and how often |
//! | `routes`, `problem` | every route and its description (OpenAPI); errors |
//! | `cameras`, `media`, `events`, `alerts`, `files` | the routes under `/api/v1` |
//! | `health`, `process`, `metrics` | how the service does |
//! | `page` | the page's files and the login |

mod alerts;
mod cameras;
mod clients;
mod config;
mod events;
mod files;
mod guard;
mod health;
mod media;
mod metrics;
mod page;
mod problem;
mod process;
mod routes;
mod server;
mod token;

pub use config::{HttpConfig, HttpError, parse_listen};
pub use routes::openapi;
pub use server::Server;
pub use token::NotAToken;
