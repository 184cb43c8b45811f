//! What the environment says, and what is built by it.

use std::path::{Path, PathBuf};

use gabion_benches::{
    options::Options,
    peers::{Peers, Places},
};

/// What the environment says.
pub(super) struct Surroundings {
    pub(super) cargo: PathBuf,
    pub(super) root: PathBuf,
    peers: Option<PathBuf>,
    peers_target: Option<PathBuf>,
    peers_venv: Option<PathBuf>,
}

impl Surroundings {
    #[expect(clippy::disallowed_methods, reason = "called by `main` alone, once")]
    pub(super) fn read() -> Self {
        let path = |name| std::env::var_os(name).map(PathBuf::from);
        let package = Path::new(env!("CARGO_MANIFEST_DIR"));
        Self {
            cargo: path("CARGO").unwrap_or_else(|| "cargo".into()),
            root: package.parent().unwrap_or(package).to_owned(),
            peers: path("GABION_PEERS"),
            peers_target: path("GABION_PEERS_TARGET"),
            peers_venv: path("GABION_PEERS_VENV"),
        }
    }

    /// Where the peers are, if they are.
    fn places(&self, target: &Path) -> Result<Places, String> {
        let folder = self.peers.clone().unwrap_or_else(|| self.root.join("../shared/peers"));
        let folder =
            folder.canonicalize().map_err(|error| format!("{}: {error}", folder.display()))?;
        let own =
            |given: &Option<PathBuf>, name| given.clone().unwrap_or_else(|| target.join(name));
        let venv = own(&self.peers_venv, "peers-venv");
        Ok(Places { folder, target: own(&self.peers_target, "peers"), venv })
    }

    /// The peers, or why there are none.
    pub(super) fn peers(&self, options: &Options, binary: &Path) -> Result<Peers, String> {
        if !options.peers {
            return Err("--no-peers".into());
        }
        // target/release/gabion
        let target = binary.ancestors().nth(2).unwrap_or(&self.root);
        let places = self.places(target)?;
        println!("the peers of {}, in {}", places.folder.display(), places.target.display());
        Peers::build(&self.cargo, &places).map_err(|error| error.to_string())
    }
}
