use std::{ffi::OsString, net::SocketAddr, path::PathBuf};

use gabion_config::Secret;

use super::{
    Context, Failure, Surroundings,
    output::{complain, say},
};
use crate::{
    restart::Launch,
    run::{Start, run},
};

pub(super) async fn serve(
    context: Context,
    surroundings: Surroundings,
    print_ready: bool,
) -> Result<(), Failure> {
    let named = |(name, value): &(OsString, OsString)| {
        (name == gabion_lifecycle::ENVIRONMENT).then(|| PathBuf::from(value))
    };
    let handover = surroundings.environment.iter().find_map(named);
    let mut arguments = surroundings.arguments.into_iter();
    let name = arguments.next();
    let program = surroundings.program.or_else(|| name.map(PathBuf::from));
    let program =
        program.ok_or_else(|| Failure::usage("the program does not know its own file"))?;
    let launch = Launch { program, arguments: arguments.collect() };
    let notify_socket = surroundings.notify_socket;
    Ok(run(Start { sources: context.sources, launch, handover, notify_socket, print_ready })
        .await?)
}

/// Tells where to look, and the first password, once.
pub(crate) fn greet(
    scheme: &str,
    address: SocketAddr,
    admin: Option<SocketAddr>,
    first: Option<&(String, Secret)>,
    print_ready: bool,
) {
    let page = admin.unwrap_or(address);
    if let Some((name, password)) = first {
        let rule = "=".repeat(72);
        complain(&format!(
            "\n{rule}\n  The first account. This password is shown now and never again.\n\n    \
             user name  {name}\n    password   {}\n\n  Change it with POST /api/auth/password.\n{rule}\n",
            password.expose(),
        ));
    }
    complain(&format!(
        "gabion listens on {scheme}://{address}\n  status page   {scheme}://{page}/\n  API           \
         {scheme}://{address}/api/docs\n  readiness     {scheme}://{address}/readyz",
    ));
    if print_ready {
        say(&format!("ready {scheme}://{address}"));
    }
}
