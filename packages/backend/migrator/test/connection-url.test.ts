import { describe, expect, test } from "vitest";
import { addressOf, configuredUrl, givenUrl, isLocalHost, parseUrl } from "../src/connection-url.ts";
import type { Environment } from "../src/environment.ts";
import { MigratorError } from "../src/errors.ts";

/** An environment that comes from one place. */
function environment(values: Readonly<Record<string, string>>): Environment {
  return { values, get: (name) => values[name], sourceOf: () => "the environment" };
}

const PARTS = {
  POSTGRES_HOST: "db.example.org",
  POSTGRES_USERNAME: "ann",
  POSTGRES_PASSWORD: "secret",
  POSTGRES_DATABASE: "moc",
};

function failureCode(work: () => unknown): string | undefined {
  try {
    work();
  } catch (error) {
    if (error instanceof MigratorError) return error.code;
    throw error;
  }
  return undefined;
}

describe("configuredUrl", () => {
  test.each([
    ["nothing gives no URL", {}, undefined],
    ["an empty DATABASE_URL counts as none", { DATABASE_URL: "" }, undefined],
    [
      "DATABASE_URL is taken as it is",
      { DATABASE_URL: "postgres://ann:x@db:6543/moc" },
      "postgres://ann:x@db:6543/moc",
    ],
    ["the POSTGRES_ settings make one", PARTS, "postgres://ann:secret@db.example.org:5432/moc"],
    ["with a port", { ...PARTS, POSTGRES_PORT: "6543" }, "postgres://ann:secret@db.example.org:6543/moc"],
    [
      "an empty port is the usual one",
      { ...PARTS, POSTGRES_PORT: "" },
      "postgres://ann:secret@db.example.org:5432/moc",
    ],
    [
      "an empty password is none",
      { ...PARTS, POSTGRES_PASSWORD: "" },
      "postgres://ann@db.example.org:5432/moc",
    ],
    [
      "TLS is asked for",
      { ...PARTS, POSTGRES_SSL: "require" },
      "postgres://ann:secret@db.example.org:5432/moc?sslmode=require",
    ],
    [
      "TLS beside DATABASE_URL",
      { DATABASE_URL: "postgres://db/moc", POSTGRES_SSL: "verify-full" },
      "postgres://db/moc?sslmode=verify-full",
    ],
    [
      "an empty POSTGRES_SSL asks for nothing",
      { ...PARTS, POSTGRES_SSL: "" },
      "postgres://ann:secret@db.example.org:5432/moc",
    ],
    ["an IPv6 host", { ...PARTS, POSTGRES_HOST: "::1" }, "postgres://ann:secret@[::1]:5432/moc"],
    [
      "a socket folder",
      { ...PARTS, POSTGRES_HOST: "/run/postgresql" },
      "postgres://ann:secret@localhost:5432/moc?host=%2Frun%2Fpostgresql",
    ],
  ] as const)("%s", (_, values, url) => {
    expect(configuredUrl(environment(values))).toBe(url);
  });

  test.each([
    [
      "a missing host",
      { POSTGRES_USERNAME: "a", POSTGRES_PASSWORD: "b", POSTGRES_DATABASE: "c" },
      "setting-missing",
    ],
    ["a port alone", { POSTGRES_PORT: "5432" }, "setting-missing"],
    ["an empty host", { ...PARTS, POSTGRES_HOST: "" }, "setting-missing"],
    ["an empty database", { ...PARTS, POSTGRES_DATABASE: "" }, "setting-missing"],
    ["a port that is a word", { ...PARTS, POSTGRES_PORT: "five" }, "setting-invalid"],
    ["port 0", { ...PARTS, POSTGRES_PORT: "0" }, "setting-invalid"],
    ["port 65536", { ...PARTS, POSTGRES_PORT: "65536" }, "setting-invalid"],
    ["half a port", { ...PARTS, POSTGRES_PORT: "5432.5" }, "setting-invalid"],
    ["an unknown TLS mode", { ...PARTS, POSTGRES_SSL: "yes" }, "setting-invalid"],
    ["another scheme", { DATABASE_URL: "mysql://db/moc" }, "setting-invalid"],
    ["no URL at all", { DATABASE_URL: "db/moc" }, "setting-invalid"],
    ["a URL without database", { DATABASE_URL: "postgres://db" }, "setting-invalid"],
    ["a bare %", { DATABASE_URL: "postgres://ann:100%sure@db/moc" }, "setting-invalid"],
    ["another host", { ...PARTS, DATABASE_URL: "postgres://ann@other:5432/moc" }, "settings-conflict"],
    [
      "another port",
      { ...PARTS, DATABASE_URL: "postgres://ann@db.example.org:6543/moc" },
      "settings-conflict",
    ],
    [
      "another database",
      { ...PARTS, DATABASE_URL: "postgres://ann@db.example.org/other" },
      "settings-conflict",
    ],
  ] as const)("%s is an error", (_, values, code) => {
    expect(failureCode(() => configuredUrl(environment(values)))).toBe(code);
  });

  test.each([
    ["the same place", { ...PARTS, DATABASE_URL: "postgres://ann:other@db.example.org/moc" }],
    ["hosts that differ in case", { ...PARTS, DATABASE_URL: "postgres://ann@DB.Example.org:5432/moc" }],
    [
      "names of this machine",
      { ...PARTS, POSTGRES_HOST: "127.0.0.1", DATABASE_URL: "postgres://ann@localhost/moc" },
    ],
    ["settings that are not all there", { POSTGRES_DATABASE: "moc", DATABASE_URL: "postgres://ann@db/moc" }],
  ] as const)("both forms may be set for %s", (_, values) => {
    expect(configuredUrl(environment(values))).toBe(new URL(values.DATABASE_URL).href);
  });

  test("whatever characters user, password and database hold, they arrive", () => {
    const alphabet = [..." !\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~aZ09äß€🧱\n\t"];
    // Every character alone (but for a lone dot, which no URL can have as its path), and words that rotate through all.
    const words = [
      ...alphabet.filter((character) => character !== "."),
      ...alphabet.map((_, at) => [...alphabet.slice(at), ...alphabet.slice(0, at)].slice(0, 12).join("")),
    ];
    for (const word of words) {
      const url = configuredUrl(
        environment({ ...PARTS, POSTGRES_USERNAME: word, POSTGRES_PASSWORD: word, POSTGRES_DATABASE: word }),
      );
      const parsed = new URL(url ?? "");
      expect(decodeURIComponent(parsed.password)).toBe(word);
      expect(addressOf(parsed)).toEqual({ host: "db.example.org", port: 5432, database: word, user: word });
    }
  });

  test("a conflict shows both places, and no password", () => {
    const values = { ...PARTS, DATABASE_URL: "postgres://bob:hunter22@other:6543/moc" };
    expect(() => configuredUrl(environment(values))).toThrow(MigratorError);
    try {
      configuredUrl(environment(values));
    } catch (error) {
      const details = (error as MigratorError).details.join("\n");
      expect(details).toContain("bob@other:6543/moc");
      expect(details).toContain("ann@db.example.org:5432/moc");
      expect(details).not.toMatch(/hunter22|secret/);
    }
  });
});

describe("a password among the parameters", () => {
  test.each([
    ["postgres://ann@db/moc?password=hunter22", "postgres://ann:hunter22@db/moc"],
    ["postgres://ann:other@db/moc?password=hunter22", "postgres://ann:hunter22@db/moc"],
    ["postgres:///moc?password=a%40b&host=/tmp", "postgres://:a%40b@localhost/moc?host=/tmp"],
    ["postgres://ann@db/moc?a=x%20y&password=p+q@r", "postgres://ann:p+q%40r@db/moc?a=x%20y"],
  ])("%s is taken as libpq takes it", (url, taken) => {
    expect(parseUrl(url, "--url").href).toBe(taken);
  });

  test("with a % that starts no escape is refused", () => {
    expect(failureCode(() => parseUrl("postgres://ann@db/moc?password=100%sure", "--url"))).toBe(
      "setting-invalid",
    );
  });
});

describe("addressOf", () => {
  test.each([
    ["postgres://ann:x@db:6543/moc", { host: "db", port: 6543, database: "moc", user: "ann" }],
    ["postgres:///moc", { host: "localhost", port: 5432, database: "moc", user: "postgres" }],
    ["postgres://[::1]:6543/moc", { host: "::1", port: 6543, database: "moc", user: "postgres" }],
    ["postgres://a%40b@db/m%2Fc", { host: "db", port: 5432, database: "m/c", user: "a@b" }],
    [
      "postgres://ann@localhost/moc?host=/run/postgresql&port=6543",
      { host: "/run/postgresql", port: 6543, database: "moc", user: "ann" },
    ],
  ])("%s", (url, address) => {
    expect(addressOf(parseUrl(url, "--url"))).toEqual(address);
  });
});

describe("isLocalHost", () => {
  test.each(["localhost", "LOCALHOST", "127.0.0.1", "::1", "/run/postgresql"])(
    "%s is this machine",
    (host) => {
      expect(isLocalHost(host)).toBe(true);
    },
  );

  test.each(["db.example.org", "10.0.0.1", "localhost.example.org", "127.0.0.1.example.org", "0.0.0.0"])(
    "%s is not",
    (host) => {
      expect(isLocalHost(host)).toBe(false);
    },
  );
});

describe("givenUrl", () => {
  const environment = (values: Readonly<Record<string, string>>) => ({
    get: (name: string) => values[name],
    sourceOf: () => "a test",
    values,
  });

  test("keeps the encryption that the environment asks for, unless the URL says something else", () => {
    const asked = environment({ POSTGRES_SSL: "verify-full" });
    expect(givenUrl("postgres://ann@db/moc", asked)).toBe("postgres://ann@db/moc?sslmode=verify-full");
    expect(givenUrl("postgres://ann@db/moc?sslmode=disable", asked)).toBe(
      "postgres://ann@db/moc?sslmode=disable",
    );
    expect(givenUrl("postgres://ann@db/moc", environment({}))).toBe("postgres://ann@db/moc");
  });
});
