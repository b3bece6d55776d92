/** The parameter in which libpq, too, takes a password. */
const PASSWORD = "password=";

/**
 * A URL as libpq takes it, where that is not as the URL standard has it: the host may be left out, and the parameter
 * `password` counts before the password beside the user. It stands beside the user afterwards. Undefined for other text.
 */
export function readUrl(text: string): URL | undefined {
  const whole = text.replace(/^(postgres(?:ql)?:\/\/(?:[^/?#]*@)?)(?=\/)/i, "$1localhost");
  if (!URL.canParse(whole)) return undefined;
  const url = new URL(whole);
  const parameters = url.search.slice(1).split("&");
  const password = parameters.findLast((parameter) => parameter.startsWith(PASSWORD));
  if (password === undefined) return url;
  url.search = parameters.filter((parameter) => !parameter.startsWith(PASSWORD)).join("&");
  url.password = password.slice(PASSWORD.length);
  return url;
}
