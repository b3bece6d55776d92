/** A line that GitHub Actions shows beside the change. */
export function annotation(level: "error" | "warning", title: string, message: string): string {
  return `::${level} title=${escaped(title, /[%\r\n:,]/g)}::${escaped(message, /[%\r\n]/g)}`;
}

/** Percent-encoded where the form would end: line ends always, colon and comma in properties. */
function escaped(text: string, special: RegExp): string {
  return text.replaceAll(
    special,
    (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`,
  );
}
