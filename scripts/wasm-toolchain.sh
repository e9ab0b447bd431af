# Sourced by the scripts that need the wasm target. Defines
#
#   wasm_ensure   gets what is missing of the chosen toolchain
#   wasm_cargo    `cargo …` for wasm32-wasip1
#   wasm_target_dir   says which target directory that uses
#
# There are two ways to the target. `rustup` downloads a ready standard library. `debian` needs no
# download beyond Debian's packages: a rustc with its library source, an lld with wasm-ld, wasi-libc;
# cargo then builds std itself. LOCKGATE_WASM=rustup|debian forces one; unset, rustup is tried first.
# shellcheck shell=bash

wasm_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
wasm_target=wasm32-wasip1
debian_rustc=/usr/bin/rustc
debian_wasi_libc=/usr/lib/wasm32-wasi
target_dir=${CARGO_TARGET_DIR:-$wasm_root/target}

rustup_has_target() {
  local sysroot
  sysroot=$(cd "$wasm_root" && rustc --print sysroot 2>/dev/null) || return 1
  compgen -G "$sysroot/lib/rustlib/$wasm_target/lib/libstd-*.rlib" >/dev/null
}

# The lld of the same LLVM as Debian's rustc: an older one may not read its objects.
debian_linker() { echo "wasm-ld-$("$debian_rustc" -vV | sed -n 's/^LLVM version: \([0-9]*\).*/\1/p')"; }

debian_has_target() {
  [[ -x $debian_rustc && -f $debian_wasi_libc/libc.a ]] &&
    [[ -f $("$debian_rustc" --print sysroot)/lib/rustlib/src/rust/library/std/Cargo.toml ]] &&
    command -v "$(debian_linker)" >/dev/null
}

wasm_way() {
  case ${LOCKGATE_WASM:-} in
    rustup | debian) echo "$LOCKGATE_WASM" ;;
    '') if rustup_has_target || ! debian_has_target; then echo rustup; else echo debian; fi ;;
    *) echo "LOCKGATE_WASM is '$LOCKGATE_WASM'; it can be rustup or debian" >&2; return 1 ;;
  esac
}

debian_install() {
  # rustc-web is the newer compiler that Debian keeps for its browsers; plain rustc of a stable
  # release is usually too old for this workspace's edition.
  "$wasm_root/scripts/apt-install" rustc-web rust-web-src wasi-libc ||
    "$wasm_root/scripts/apt-install" rustc rust-src wasi-libc
  local linker
  linker=$(debian_linker)
  "$wasm_root/scripts/apt-install" "lld-${linker##*-}"
  debian_has_target
}

wasm_ensure() {
  local way
  way=$(wasm_way) || return 1
  "${way}_has_target" && return
  if [[ $way == rustup ]]; then
    echo "getting the $wasm_target target with rustup" >&2
    if (cd "$wasm_root" && timeout 300 rustup target add "$wasm_target") >&2; then return; fi
    [[ -z ${LOCKGATE_WASM:-} ]] || return 1
    echo "rustup cannot get $wasm_target; taking Debian's packages instead" >&2
  fi
  debian_install
}

# A target directory of its own keeps the two compilers from undoing each other's work.
wasm_target_dir() {
  local way
  way=$(wasm_way)
  if [[ $way == rustup ]]; then echo "$target_dir"; else echo "$target_dir/debian"; fi
}

wasm_cargo() {
  local way
  way=$(wasm_way)
  if [[ $way == rustup ]]; then
    (cd "$wasm_root" && cargo "$@" --target "$wasm_target")
  else
    # RUSTC_BOOTSTRAP lets a stable cargo and rustc take -Zbuild-std.
    (cd "$wasm_root" && RUSTC=$debian_rustc RUSTC_BOOTSTRAP=1 CARGO_TARGET_DIR=$(wasm_target_dir) \
      CARGO_TARGET_WASM32_WASIP1_LINKER=$(debian_linker) \
      CARGO_TARGET_WASM32_WASIP1_RUSTFLAGS="-L native=$debian_wasi_libc" \
      cargo "$@" --target "$wasm_target" -Zbuild-std=std,panic_abort)
  fi
}
