//! The command line as clap reads it: every command, its options and an example of each.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use lockgate_telemetry::AccessLogPath;

/// An API gateway whose behaviour is proxy-wasm plugins.
#[derive(Debug, Parser)]
#[command(
    name = "lockgate",
    version,
    after_help = "Example:\n  lockgate run --config gateway.json"
)]
pub(crate) struct Arguments {
    /// How log lines on stderr look; RUST_LOG says which ones there are (default: info, for check warn)
    #[arg(long, global = true, value_enum, default_value = "text")]
    pub(crate) log_format: LogFormat,

    #[command(subcommand)]
    pub(crate) command: Command,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people
    Text,
    /// One JSON object a line
    Json,
}

/// What there is to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve; reload when the config or a plugin changes and on SIGHUP, drain on SIGTERM
    #[command(after_help = "Example:\n  RUST_LOG=debug lockgate run --config gateway.json --log-format json")]
    Run(ServeOptions),

    /// Say everything that `run` would refuse; each plugin is configured in a real VM
    #[command(after_help = "Example:\n  lockgate check --config gateway.json && systemctl reload lockgate")]
    Check(ConfigOptions),

    /// Run cases files against a plugin's module, in the gateway's own data path with scripted upstreams and clock
    #[command(after_help = TEST_HELP)]
    Test(TestOptions),

    /// Make a folder that builds, tests and loads
    #[command(
        after_help = "Example:\n  lockgate new plugin demo\n  lockgate new plugin tokens --kind auth\n  lockgate new plugin redis-guard --kind l4"
    )]
    New(NewOptions),

    /// Build a plugin at each save, serve it in a gateway, and tell what it does to requests
    #[command(after_help = DEV_HELP)]
    Dev(DevOptions),

    /// Print the JSON Schema of gateway.json, on request with the settings of each module, or of a cases file
    #[command(
        after_help = "Example:\n  lockgate schema --config gateway.json > lockgate.schema.json\n  lockgate schema cases > cases.schema.json"
    )]
    Schema(SchemaOptions),

    /// Show what a module says about itself: manifest, callbacks, imports, ABI, size
    #[command(
        after_help = "Example:\n  lockgate inspect plugins/auth.wasm\n  lockgate inspect --json plugins/auth.wasm | jq .manifest.config_schema"
    )]
    Inspect(InspectOptions),

    /// Serve as a demo upstream that answers with the request it got, as JSON
    #[command(after_help = ECHO_HELP)]
    Echo(EchoOptions),
}

const ECHO_HELP: &str = "\
A request's query can ask for another answer:
  status=404     this status
  delay=200ms    wait before answering
  size=1MiB      a body of that many bytes instead of JSON; without a unit, bytes
  cache=60       Cache-Control: max-age=60

Example:
  lockgate echo --listen 127.0.0.1:9000 --name v1
  curl 'http://127.0.0.1:9000/orders?status=404&delay=200ms'";

const DEV_HELP: &str = "\
Served is the folder's gateway.json; without one, or with --listen or --upstream, the plugin alone in
front of one upstream. An endpoint on this machine that nobody listens on is an echo upstream.
Crates with a path that the plugin depends on are watched like its own folder.
What does not build, or what the gateway refuses, leaves the module before serving. cases.json is
run after each build. A plugin's debug log is shown; RUST_LOG changes that.

Example:
  lockgate new plugin demo && cd demo && lockgate dev
  lockgate dev --upstream 127.0.0.1:3000
  lockgate dev examples/hello --into /etc/lockgate/plugins";

const TEST_HELP: &str = "\
Exit code 1 if a case fails or a file is wrong. docs/testing.md has the format.

Example:
  lockgate test target/wasm32-wasip1/release/demo.wasm cases.json
  lockgate test --filter refused --junit report.xml plugins/*/cases.json";

/// What is tested.
#[derive(Debug, Args)]
pub(crate) struct TestOptions {
    /// The module, if the cases files name none or another is to be tested; then files of cases
    #[arg(value_name = "[PLUGIN.wasm] CASES.json", required = true)]
    pub(crate) files: Vec<PathBuf>,

    /// Run only cases whose name contains this
    #[arg(long, value_name = "TEXT")]
    pub(crate) filter: Option<String>,

    /// Write what was found into the files, where it is other than expected
    #[arg(long)]
    pub(crate) update: bool,

    /// Write the results to this file too, as JUnit's XML
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,
}

/// What is developed, and where it is served.
#[derive(Debug, Args)]
pub(crate) struct DevOptions {
    /// The plugin's folder
    #[arg(value_name = "FOLDER", default_value = ".")]
    pub(crate) folder: PathBuf,

    /// Serve this configuration, in which a plugin has the module
    #[arg(long, short, value_name = "FILE", conflicts_with_all = ["listen", "upstream", "into"])]
    pub(crate) config: Option<PathBuf>,

    /// Serve the plugin alone, here (default: 127.0.0.1:8080, or a free port)
    #[arg(long, value_name = "ADDRESS", conflicts_with = "into")]
    pub(crate) listen: Option<SocketAddr>,

    /// Serve the plugin alone, in front of this (default: an echo upstream)
    #[arg(long, value_name = "HOST:PORT", conflicts_with = "into")]
    pub(crate) upstream: Option<String>,

    /// Serve nothing; copy each module into this plugin_dir of a gateway that runs
    #[arg(long, value_name = "FOLDER")]
    pub(crate) into: Option<PathBuf>,

    /// The calls to the host that are told of each request; with none, times are as in production
    #[arg(long, value_enum, default_value = "changes")]
    pub(crate) calls: Calls,

    /// Do not run cases.json
    #[arg(long)]
    pub(crate) no_cases: bool,
}

/// Which calls of a plugin to the host are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Calls {
    /// No call
    None,
    /// What changes something, asks somebody, or answers
    Changes,
    /// Every call, also what is merely read
    All,
}

/// What is made.
#[derive(Debug, Args)]
pub(crate) struct NewOptions {
    #[command(subcommand)]
    pub(crate) what: What,
}

/// What can be made.
#[derive(Debug, Subcommand)]
pub(crate) enum What {
    /// A plugin in Rust, in a new folder of its name
    #[command(after_help = "Example:\n  lockgate new plugin demo")]
    Plugin(PluginOptions),
}

/// A new plugin.
#[derive(Debug, Args)]
pub(crate) struct PluginOptions {
    /// Its name, and the folder's: lower-case letters, digits and hyphens
    pub(crate) name: String,

    /// What it begins as
    #[arg(long, value_enum, default_value = "filter")]
    pub(crate) kind: PluginKind,
}

/// What a new plugin begins as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PluginKind {
    /// Refuses by a header, and marks what passes
    Filter,
    /// Asks a service who brings a token
    Auth,
    /// Watches and changes the bytes of TCP connections
    L4,
}

/// Which schema is printed.
#[derive(Debug, Args)]
pub(crate) struct SchemaOptions {
    /// The file that it describes
    #[arg(value_enum, default_value = "gateway")]
    pub(crate) of: SchemaOf,

    /// The configuration whose `plugin_dir` holds the modules; a plugin's `config` is then judged by its module's schema
    #[arg(long, short, value_name = "FILE", conflicts_with = "plugin_dir")]
    pub(crate) config: Option<PathBuf>,

    /// The folder of the modules itself
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

/// Where the configuration is.
#[derive(Debug, Args)]
pub(crate) struct ConfigOptions {
    /// The configuration file; relative paths in it start at its folder
    #[arg(long, short, value_name = "FILE", default_value = "gateway.json")]
    pub(crate) config: PathBuf,
}

/// What is served, and where it is logged.
#[derive(Debug, Args)]
pub(crate) struct ServeOptions {
    #[command(flatten)]
    pub(crate) config: ConfigOptions,

    /// Write the access log to stdout, stderr or a file, whatever the configuration says
    #[arg(long, value_name = "WHERE")]
    pub(crate) access_log: Option<AccessLogPath>,

    /// Log every call of every plugin to the host, for development; PUT /api/trace does that for chosen requests
    #[arg(long)]
    pub(crate) trace_calls: bool,
}

/// Which module, and how it is shown.
#[derive(Debug, Args)]
pub(crate) struct InspectOptions {
    /// The module's file
    #[arg(value_name = "MODULE.wasm")]
    pub(crate) module: PathBuf,

    /// As JSON, the schema of its configuration included
    #[arg(long)]
    pub(crate) json: bool,
}

/// How the demo upstream listens and who it says it is.
#[derive(Debug, Args)]
pub(crate) struct EchoOptions {
    /// The address to listen on; port 0 takes a free one, which the log tells
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9000")]
    pub(crate) listen: SocketAddr,

    /// The name it answers with, to tell two of them apart
    #[arg(long, default_value = "echo")]
    pub(crate) name: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn every_command_has_an_example() {
        let program = Arguments::command();
        for command in std::iter::once(&program).chain(program.get_subcommands()) {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("Example:\n  "), "{} has no example", command.get_name());
        }
    }

    #[test]
    fn the_command_line_holds_together() {
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
