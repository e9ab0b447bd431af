// Which paths are hidden. Plain functions without host calls.

/// The prefixes in a configuration: separated by spaces, without a trailing slash.
export function prefixes(config: string): string[] {
  const found: string[] = [];
  const words = config.split(" ");
  for (let nth = 0; nth < words.length; nth++) {
    let word = words[nth].trim();
    while (word.length > 1 && word.endsWith("/")) word = word.slice(0, word.length - 1);
    if (word.length > 0) found.push(word);
  }
  return found;
}

/// Whether a path is one of the prefixes or lies below one: whole segments, so `/debug` hides `/debug/heap` and not `/debugger`.
export function isHidden(path: string, hidden: string[]): bool {
  const query = path.indexOf("?");
  const plain = query < 0 ? path : path.slice(0, query);
  for (let nth = 0; nth < hidden.length; nth++) {
    const prefix = hidden[nth];
    if (prefix == "/" || plain == prefix || plain.startsWith(prefix + "/")) return true;
  }
  return false;
}
