//! The configuration from outside: its mistakes, its changes, and what a crash or a full disk leaves of
//! them.

mod changes;
mod crash;
mod killed;
mod mistakes;
mod storm;
mod told;
mod way_back;

use serde_json::Value;

use crate::{
    client::{Request, Response},
    server::{Home, Server},
};

/// A key that holds at once.
const KEY: &str = "limits.size.json_body";

fn text(size: &str) -> String {
    format!("[limits.size]\njson_body = \"{size}\"\n")
}

/// What the server says that `key` is.
#[track_caller]
fn value(server: &Server, admin: &str, key: &str) -> Value {
    let shown = server.get("/api/admin/config", admin).expect(200).json();
    let entry = shown["values"].as_array().expect("values").iter().find(|it| it["key"] == key);
    entry.unwrap_or_else(|| panic!("{key} is not in {shown}"))["value"].clone()
}

fn reload(server: &Server, admin: &str) -> Response {
    server.send(&Request::post("/api/admin/config/reload").bearer(admin))
}

/// Starts a server with the configuration file `file`.
#[track_caller]
fn with_file(home: &Home, file: &str, sets: &[&str]) -> Server {
    home.start_as(&["serve", "--print-ready", "--config", file], sets)
}

/// Puts `content` in the place of the file `name` as a whole, as careful programs do.
fn replace(home: &Home, name: &str, content: impl AsRef<[u8]>) {
    let next = home.write(&format!("{name}.next"), content);
    std::fs::rename(next, home.path(name)).expect("it is replaced");
}

/// The numbers of the versions that are kept, newest first.
fn versions(home: &Home) -> Vec<u64> {
    let history = home.run(&["config", "history", "--json"]).json();
    let numbers = history.as_array().expect("versions").iter();
    numbers.map(|version| version["number"].as_u64().expect("a number")).collect()
}
