//! The command line: all commands, with their options and examples.

mod import;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use lockgate_telemetry::AccessLogPath;

pub(crate) use import::{From, ImportOptions, IstioOptions, Prefixes};

/// An API gateway whose behaviour is proxy-wasm plugins.
#[derive(Debug, Parser)]
#[command(
    name = "lockgate",
    version = env!("LOCKGATE_VERSION"),
    after_help = "Example:\n  lockgate run --config gateway.json"
)]
pub(crate) struct Arguments {
    /// Format of log lines on stderr; RUST_LOG sets their level (default: info; for check, import, test, schema and inspect: warn)
    #[arg(long, global = true, value_enum, default_value = "text")]
    pub(crate) log_format: LogFormat,

    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Format of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// One readable line per event
    Text,
    /// One JSON object per line
    Json,
}

/// A command.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the gateway: reload on file changes and SIGHUP, drain on SIGTERM
    #[command(after_help = "Example:\n  RUST_LOG=debug lockgate run --config gateway.json --log-format json")]
    Run(ServeOptions),

    /// Check a configuration and its plugins, and report all mistakes at once
    #[command(
        after_help = "Warnings are about what is valid and likely a mistake: a route that no request reaches, a cache before auth,\nan expiring certificate. They do not change the exit code, unless --strict is given.\n\nExample:\n  lockgate check --config gateway.json && systemctl reload lockgate\n  lockgate check --strict --json | jq .warnings"
    )]
    Check(CheckOptions),

    /// Run cases files against a plugin, with scripted upstreams and clock
    #[command(after_help = TEST_HELP)]
    Test(TestOptions),

    /// Create a plugin project, ready to build and test
    #[command(
        after_help = "Example:\n  lockgate new plugin demo\n  lockgate new plugin tokens --kind auth\n  lockgate new plugin redis-guard --kind l4"
    )]
    New(NewOptions),

    /// Develop a plugin: build and load it at each save, and show what it does to requests
    #[command(after_help = DEV_HELP)]
    Dev(DevOptions),

    /// Print the JSON Schema of gateway.json or of cases files; with --config, it covers each plugin's `config`
    #[command(
        after_help = "Example:\n  lockgate schema --config gateway.json > lockgate.schema.json\n  lockgate schema cases > cases.schema.json"
    )]
    Schema(SchemaOptions),

    /// Turn the configuration of another gateway or mesh into a gateway.json
    #[command(after_help = import::HELP)]
    Import(ImportOptions),

    /// Show a module's manifest, callbacks, imports, ABI version and size
    #[command(
        after_help = "Example:\n  lockgate inspect plugins/auth.wasm\n  lockgate inspect --json plugins/auth.wasm | jq .manifest.config_schema"
    )]
    Inspect(InspectOptions),

    /// Run a demo upstream that returns each request as JSON
    #[command(after_help = ECHO_HELP)]
    Echo(EchoOptions),

    /// Print the completion script of a shell
    #[command(after_help = COMPLETIONS_HELP)]
    Completions(CompletionsOptions),

    /// Write the manual pages, one per command, into a folder
    #[command(
        hide = true,
        after_help = "Example:\n  lockgate man target/man && man target/man/lockgate-run.1"
    )]
    Man(ManOptions),
}

const COMPLETIONS_HELP: &str = "\
Packages install the scripts for bash, zsh and fish.

Example:
  lockgate completions bash > ~/.local/share/bash-completion/completions/lockgate
  lockgate completions fish > ~/.config/fish/completions/lockgate.fish";

const ECHO_HELP: &str = "\
A request's query can ask for another response:
  status=404     this status
  delay=200ms    wait before the response
  size=1MiB      a body of that many bytes instead of JSON; without a unit, bytes
  cache=60       Cache-Control: max-age=60

Example:
  lockgate echo --listen 127.0.0.1:9000 --name v1
  curl 'http://127.0.0.1:9000/orders?status=404&delay=200ms'";

const DEV_HELP: &str = "\
The gateway runs the folder's gateway.json. Without one, or with --listen or --upstream, it runs the plugin
alone in front of one upstream. If nothing listens on a loopback endpoint, an echo upstream is started there.
Crates that the plugin depends on by `path` are watched too.
After a failed build or a refused module, the previous module stays in use. cases.json runs after each
build. The plugin's debug log is shown; RUST_LOG changes that.

Example:
  lockgate new plugin demo && cd demo && lockgate dev
  lockgate dev --upstream 127.0.0.1:3000
  lockgate dev examples/hello --into /etc/lockgate/plugins";

const TEST_HELP: &str = "\
The exit code is 1 if a case fails or a file is invalid. docs/testing.md describes the format.

Example:
  lockgate test target/wasm32-wasip1/release/demo.wasm cases.json
  lockgate test --filter refused --junit report.xml plugins/*/cases.json";

/// Options of `test`.
#[derive(Debug, Args)]
pub(crate) struct TestOptions {
    /// The module (unless the cases files name it), then the cases files
    #[arg(value_name = "[PLUGIN.wasm] CASES.json", required = true)]
    pub(crate) files: Vec<PathBuf>,

    /// Run only cases whose name contains TEXT
    #[arg(long, value_name = "TEXT")]
    pub(crate) filter: Option<String>,

    /// Replace failed expectations in the files with what was found
    #[arg(long)]
    pub(crate) update: bool,

    /// Also write the results to FILE as JUnit XML
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,
}

/// Options of `dev`.
#[derive(Debug, Args)]
pub(crate) struct DevOptions {
    /// The plugin's folder
    #[arg(value_name = "FOLDER", default_value = ".")]
    pub(crate) folder: PathBuf,

    /// Run this configuration (must have a plugin that uses the built module)
    #[arg(long, short, value_name = "FILE", conflicts_with_all = ["listen", "upstream", "into"])]
    pub(crate) config: Option<PathBuf>,

    /// Run the plugin alone and listen here (default: 127.0.0.1:8080, or a free port)
    #[arg(long, value_name = "ADDRESS", conflicts_with = "into")]
    pub(crate) listen: Option<SocketAddr>,

    /// Run the plugin alone in front of this upstream (default: an echo upstream)
    #[arg(long, value_name = "HOST:PORT", conflicts_with = "into")]
    pub(crate) upstream: Option<String>,

    /// Run no gateway; copy each module into the plugin_dir of a running one
    #[arg(long, value_name = "FOLDER")]
    pub(crate) into: Option<PathBuf>,

    /// Host calls to show for each request; `none`: times are those of production
    #[arg(long, value_enum, default_value = "changes")]
    pub(crate) calls: Calls,

    /// Do not run cases.json
    #[arg(long)]
    pub(crate) no_cases: bool,
}

/// Host calls that `dev` shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Calls {
    /// No call
    None,
    /// Calls that change something, call out, or respond
    Changes,
    /// Every call, reads included
    All,
}

/// Options of `new`.
#[derive(Debug, Args)]
pub(crate) struct NewOptions {
    #[command(subcommand)]
    pub(crate) what: What,
}

/// A kind of project.
#[derive(Debug, Subcommand)]
pub(crate) enum What {
    /// A plugin in Rust, in a new folder of its name
    #[command(after_help = "Example:\n  lockgate new plugin demo")]
    Plugin(PluginOptions),
}

/// Options of `new plugin`.
#[derive(Debug, Args)]
pub(crate) struct PluginOptions {
    /// Name of the plugin and its folder: lower-case letters, digits and hyphens
    pub(crate) name: String,

    /// What the project starts from
    #[arg(long, value_enum, default_value = "filter")]
    pub(crate) kind: PluginKind,
}

/// Template of a new plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PluginKind {
    /// Refuses requests by a header and marks the others
    Filter,
    /// Verifies tokens by asking a service
    Auth,
    /// Watches and changes the bytes of TCP connections
    L4,
}

/// Options of `schema`.
#[derive(Debug, Args)]
pub(crate) struct SchemaOptions {
    /// Kind of file
    #[arg(value_enum, default_value = "gateway")]
    pub(crate) of: SchemaOf,

    /// The configuration whose `plugin_dir` holds the modules; the schema then covers each plugin's `config`
    #[arg(long, short, value_name = "FILE", conflicts_with = "plugin_dir")]
    pub(crate) config: Option<PathBuf>,

    /// The folder that holds the modules
    #[arg(long, value_name = "FOLDER")]
    pub(crate) plugin_dir: Option<PathBuf>,
}

/// A file that has a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SchemaOf {
    /// gateway.json
    Gateway,
    /// cases.json, for `lockgate test`
    Cases,
}

/// The configuration file.
#[derive(Debug, Args)]
pub(crate) struct ConfigOptions {
    /// The configuration file; relative paths in it are relative to its folder
    #[arg(long, short, value_name = "FILE", default_value = "gateway.json")]
    pub(crate) config: PathBuf,
}

/// Options of `check`.
#[derive(Debug, Args)]
pub(crate) struct CheckOptions {
    #[command(flatten)]
    pub(crate) config: ConfigOptions,

    /// Exit with 1 if there are warnings
    #[arg(long)]
    pub(crate) strict: bool,

    /// Print one JSON object: `ok`, `errors`, `warnings`, `remarks`
    #[arg(long)]
    pub(crate) json: bool,
}

/// Options of `run`.
#[derive(Debug, Args)]
pub(crate) struct ServeOptions {
    #[command(flatten)]
    pub(crate) config: ConfigOptions,

    /// Write the access log to stdout, stderr or a file; overrides `access_log.path`
    #[arg(long, value_name = "WHERE")]
    pub(crate) access_log: Option<AccessLogPath>,

    /// Log every host call of every plugin, for development; for chosen requests, use PUT /api/trace
    #[arg(long)]
    pub(crate) trace_calls: bool,
}

/// Options of `inspect`.
#[derive(Debug, Args)]
pub(crate) struct InspectOptions {
    /// The module file
    #[arg(value_name = "MODULE.wasm")]
    pub(crate) module: PathBuf,

    /// Print JSON, with the schema of the plugin's configuration
    #[arg(long)]
    pub(crate) json: bool,
}

/// Options of `echo`.
#[derive(Debug, Args)]
pub(crate) struct EchoOptions {
    /// The address to listen on; with port 0, a free port that the log shows
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9000")]
    pub(crate) listen: SocketAddr,

    /// The name in its responses, to distinguish several
    #[arg(long, default_value = "echo")]
    pub(crate) name: String,
}

/// Options of `completions`.
#[derive(Debug, Args)]
pub(crate) struct CompletionsOptions {
    /// The shell
    #[arg(value_enum)]
    pub(crate) shell: Shell,
}

/// Options of `man`.
#[derive(Debug, Args)]
pub(crate) struct ManOptions {
    /// The folder, which is created if it does not exist
    #[arg(value_name = "FOLDER")]
    pub(crate) folder: PathBuf,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn every_command_has_an_example() {
        let program = Arguments::command();
        let mut commands = vec![&program];
        while let Some(command) = commands.pop() {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("Example:\n  "), "{} has no example", command.get_name());
            commands.extend(command.get_subcommands());
        }
    }

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn the_config_file_defaults_to_the_one_in_this_folder() {
        let arguments = Arguments::try_parse_from(["lockgate", "run"]).expect("a plain run");
        let Command::Run(options) = arguments.command else {
            panic!("not run: {:?}", arguments.command)
        };
        assert_eq!(options.config.config, PathBuf::from("gateway.json"));
    }

    #[test]
    fn the_log_format_may_follow_the_command() {
        let arguments = Arguments::try_parse_from(["lockgate", "schema", "--log-format", "json"]).expect("accepted");
        assert_eq!(arguments.log_format, LogFormat::Json);
    }
}
