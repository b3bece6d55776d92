/** A place in a file of the repository. */
export interface Place {
  /** From the repository's root. */
  readonly file: string;
  /** 1-based. */
  readonly line: number;
}

/** A line that GitHub Actions shows beside the change. */
export function annotation(
  level: "error" | "warning" | "notice",
  title: string,
  message: string,
  place?: Place,
): string {
  const property = (name: string, value: string) => `${name}=${escaped(value, /[%\r\n:,]/g)}`;
  const properties = [
    ...(place ? [property("file", place.file), property("line", String(place.line))] : []),
    property("title", title),
  ];
  return `::${level} ${properties.join(",")}::${escaped(message, /[%\r\n]/g)}`;
}

/** Percent-encoded where the form would end: line ends always, colon and comma in properties. */
function escaped(text: string, special: RegExp): string {
  return text.replaceAll(
    special,
    (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`,
  );
}
