//! A module without any SDK: every callback of the ABI is an export, every host call an import, and what it does in a callback
//! stands in a script that the request brings along. Each call's status and results are kept, so that two hosts can be laid
//! side by side. The language of the scripts is described in `docs/conformance.md`.
//!
//! A request names itself in `x-token` and brings `x-script`; `x-report: TOKEN` answers the notes kept under that token. The
//! plugin's configuration is a script too, for what happens outside of streams; its notes are kept under `root`.

mod exports;
mod imports;
mod script;
mod streams;
mod words;
