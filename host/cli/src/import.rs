//! `lockgate import`: reads the files, prints gateway.json on stdout and what it does not carry on stderr.

use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::{env, fs};

use anyhow::{Context, Result, bail};
use clap::CommandFactory;
use clap::error::ErrorKind;
use lockgate_import::{Import, Loss, LossKind, Options, Source};

use crate::arguments::{Arguments, From, ImportOptions, IstioOptions, Prefixes};
use crate::command_status::CommandStatus;
use crate::output::print;

/// Imports from what the options name. Another name is an error of usage.
pub(crate) fn import(options: ImportOptions) -> Result<CommandStatus> {
    match options.from {
        From::Istio(options) => istio(options),
        From::Other(words) => {
            let name = words.first().map(String::as_str).unwrap_or_default();
            let text = format!("there is no import from \"{name}\" yet; there is: istio");
            Arguments::command().error(ErrorKind::InvalidSubcommand, text).exit()
        }
    }
}

fn istio(options: IstioOptions) -> Result<CommandStatus> {
    let sources = options.files.iter().map(read).collect::<Result<Vec<_>>>()?;
    let settings = Options {
        listen: options.listen,
        prefixes: match options.prefixes {
            Prefixes::Characters => lockgate_import::Prefixes::Characters,
            Prefixes::Segments => lockgate_import::Prefixes::Segments,
        },
        endpoints: options
            .endpoints
            .into_iter()
            .map(|given| (given.host, given.addresses))
            .collect(),
    };
    let import = match lockgate_import::istio(&sources, &settings) {
        Ok(import) => import,
        Err(errors) => {
            for error in errors {
                tell(&error.to_string());
            }
            return Ok(CommandStatus::Failure);
        }
    };
    import.losses.iter().for_each(|loss| tell(&loss.to_string()));
    if import.resources == 0 {
        bail!("the files have no resource of networking.istio.io");
    }
    print(import.gateway.trim_end())?;
    tell_rest(&import);
    let is_lost = import.losses.iter().any(|loss| loss.kind == LossKind::Lost);
    Ok(match options.strict && is_lost {
        true => CommandStatus::Failure,
        false => CommandStatus::Success,
    })
}

fn read(path: &PathBuf) -> Result<Source> {
    if path.as_os_str() == OsStr::new("-") {
        let mut text = String::new();
        io::stdin()
            .read_to_string(&mut text)
            .context("stdin cannot be read as text")?;
        let name = "<stdin>".to_owned();
        return Ok(Source { name, text });
    }
    let text = fs::read_to_string(path).with_context(|| format!("{} cannot be read as text", path.display()))?;
    let name = path.display().to_string();
    Ok(Source { name, text })
}

/// How much was lost, and what `check` will still want.
fn tell_rest(import: &Import) {
    let count = |kind| import.losses.iter().filter(|loss: &&Loss| loss.kind == kind).count();
    let (lost, changed) = (count(LossKind::Lost), count(LossKind::Changed));
    tell(&format!("{lost} not carried over, {changed} notes"));
    let path = Path::new("gateway.json");
    if let Err(error) = lockgate_config::load_text(path, import.gateway.clone(), &|name| env::var_os(name)) {
        tell(&format!(
            "`lockgate check` will want, in gateway.json:\n{}",
            error.report
        ));
    }
}

/// Prints a line on stderr. Nobody may read it.
fn tell(text: &str) {
    drop(writeln!(io::stderr().lock(), "{text}"));
}
