import { describe, expect, test } from "vitest";
import { redact } from "../src/report/redact.ts";
import { keepSecret, keepSecretOf, keptSecrets, type Secrets } from "../src/secrets.ts";

const NONE: Secrets = { words: [], names: [] };

describe("redact", () => {
  test.each([
    [
      "a URL's password",
      "at postgres://ann:hunter22@db:5432/x failed",
      "at postgres://ann:***@db:5432/x failed",
    ],
    ["the other scheme", "postgresql://ann:hunter22@db/x", "postgresql://ann:***@db/x"],
    ["schemes in capitals", "POSTGRES://ann:hunter22@db/x", "POSTGRES://ann:***@db/x"],
    ["a URL without user", "postgres://:hunter22@db/x", "postgres://:***@db/x"],
    [
      "two URLs in one text",
      "postgres://a:one11@x/y and postgres://b:two22@x/y",
      "postgres://a:***@x/y and postgres://b:***@x/y",
    ],
    [
      "a password among a URL's parameters",
      "at postgres://ann@db/x?a=b&password=hunter22&c=d and postgres://db/x?password=hunter22",
      "at postgres://ann@db/x?a=b&password=***&c=d and postgres://db/x?password=***",
    ],
    [
      "the password of a role, as SQL has it",
      "CREATE ROLE a LOGIN PASSWORD 'hunt''er22' VALID UNTIL 'x'; alter role b with encrypted password E'hunter\\'22';",
      "CREATE ROLE a LOGIN PASSWORD '***' VALID UNTIL 'x'; alter role b with encrypted password '***';",
    ],
    [
      "the password in a connection's words",
      "CONNECTION 'host=db password=hunter22 user=a' OPTIONS (user 'a', password 'hunter22')",
      "CONNECTION 'host=db password=*** user=a' OPTIONS (user 'a', password '***')",
    ],
    [
      "nothing where a column is called so",
      "ADD COLUMN password text NOT NULL",
      "ADD COLUMN password text NOT NULL",
    ],
    ["nothing where there is no password", "postgres://ann@db:5432/x", "postgres://ann@db:5432/x"],
    ["nothing in ordinary text", "12:30 me@example.org", "12:30 me@example.org"],
  ])("takes out %s", (_, text, clean) => {
    expect(redact(text, NONE)).toBe(clean);
  });

  test("takes out secrets that are given, each time they occur", () => {
    const secrets = { ...NONE, words: ["secret1", "secret2"] };
    expect(redact("secret1 then secret2 then secret1", secrets)).toBe("*** then *** then ***");
  });

  test("takes out the longer of two secrets first, so that none is half shown", () => {
    const both = ["pass", "pass-and-more"];
    for (const words of [both, both.toReversed()]) {
      expect(redact("pass-and-more", { ...NONE, words })).toBe("***");
      expect(redact("password=pass-and-more", { ...NONE, names: words })).toBe("password=***");
    }
  });

  test("takes secrets literally, not as patterns", () => {
    expect(redact("a.c abc $& a.c", { ...NONE, words: ["a.c"] })).toBe("*** abc $& ***");
  });

  test("an empty secret changes nothing", () => {
    expect(redact("text", { words: [""], names: [""] })).toBe("text");
  });

  test("takes out one that is also a name only where a password stands", () => {
    const secrets = { words: [], names: ["postgres"] };
    const text = "role postgres: postgres://postgres:postgres@db/postgres, x:postgres@db, password=postgres";
    expect(redact(text, secrets)).toBe(
      "role postgres: postgres://postgres:***@db/postgres, x:***@db, password=***",
    );
  });
});

describe("what is kept secret", () => {
  test("are the passwords of URLs, written and decoded", () => {
    keepSecretOf("migrate");
    keepSecretOf("postgres://ann:p%40ss%20word@db/x");
    expect(keptSecrets().words).toEqual(expect.arrayContaining(["p%40ss%20word", "p@ss word"]));
  });

  test("are those of libpq's URLs, which may lack a host or give the password as a parameter", () => {
    keepSecretOf("postgres://ann:hostless-1@/x?host=/tmp");
    keepSecretOf("postgres://ann@db/x?password=para%2Bmeter");
    expect(keptSecrets().words).toEqual(expect.arrayContaining(["hostless-1", "para%2Bmeter", "para+meter"]));
  });

  test("are passwords as given", () => {
    keepSecret("from-env");
    keepSecret(undefined);
    expect(keptSecrets().words).toContain("from-env");
  });

  test("is one that names its user or database only as a password", () => {
    keepSecretOf("postgres://an%20n:an%20n@db/x");
    keepSecretOf("postgres://ann@db/moc-1?password=moc-1");
    keepSecret("ann-1", ["ann-1", undefined]);
    const { words, names } = keptSecrets();
    const kept = ["an n", "an%20n", "moc-1", "ann-1"];
    expect(names).toEqual(expect.arrayContaining(kept));
    expect(words.filter((word) => kept.includes(word))).toEqual([]);
  });

  test("is such a one everywhere where it is another's password, too", () => {
    keepSecretOf("postgres://bob-1:bob-1@db/x");
    keepSecretOf("postgres://ann:bob-1@db/x");
    expect(keptSecrets().words).toContain("bob-1");
  });

  test("is nothing that is too short to be told from ordinary words", () => {
    keepSecretOf("postgres://ann:abc@db/x");
    keepSecret("");
    expect(keptSecrets().words).not.toContain("abc");
    expect(keptSecrets().words).not.toContain("");
  });

  test("may hold a % that starts no escape", () => {
    keepSecretOf("postgres://ann:100%sure@db/x");
    expect(keptSecrets().words).toContain("100%sure");
  });
});
