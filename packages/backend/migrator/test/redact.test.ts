import { describe, expect, test } from "vitest";
import { redact } from "../src/report/redact.ts";
import { keepSecret, keepSecretOf, keptSecrets } from "../src/secrets.ts";

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
    ["nothing where there is no password", "postgres://ann@db:5432/x", "postgres://ann@db:5432/x"],
    ["nothing in ordinary text", "12:30 me@example.org", "12:30 me@example.org"],
  ])("takes out %s", (_, text, clean) => {
    expect(redact(text, [])).toBe(clean);
  });

  test("takes out secrets that are given, each time they occur", () => {
    expect(redact("secret1 then secret2 then secret1", ["secret1", "secret2"])).toBe("*** then *** then ***");
  });

  test("takes out the longer of two secrets first, so that none is half shown", () => {
    expect(redact("pass-and-more", ["pass", "pass-and-more"])).toBe("***");
    expect(redact("pass-and-more", ["pass-and-more", "pass"])).toBe("***");
  });

  test("takes secrets literally, not as patterns", () => {
    expect(redact("a.c abc $& a.c", ["a.c"])).toBe("*** abc $& ***");
  });

  test("an empty secret changes nothing", () => {
    expect(redact("text", [""])).toBe("text");
  });
});

describe("what is kept secret", () => {
  test("are the passwords of URLs, written and decoded", () => {
    keepSecretOf("migrate");
    keepSecretOf("postgres://ann:p%40ss%20word@db/x");
    expect(keptSecrets()).toEqual(expect.arrayContaining(["p%40ss%20word", "p@ss word"]));
  });

  test("are those of libpq's URLs, which may lack a host or give the password as a parameter", () => {
    keepSecretOf("postgres://ann:hostless-1@/x?host=/tmp");
    keepSecretOf("postgres://ann@db/x?password=para%2Bmeter");
    expect(keptSecrets()).toEqual(expect.arrayContaining(["hostless-1", "para%2Bmeter", "para+meter"]));
  });

  test("are passwords as given", () => {
    keepSecret("from-env");
    keepSecret(undefined);
    expect(keptSecrets()).toContain("from-env");
  });

  test("is nothing that is too short to be told from ordinary words", () => {
    keepSecretOf("postgres://ann:abc@db/x");
    keepSecret("");
    expect(keptSecrets()).not.toContain("abc");
    expect(keptSecrets()).not.toContain("");
  });

  test("may hold a % that starts no escape", () => {
    keepSecretOf("postgres://ann:100%sure@db/x");
    expect(keptSecrets()).toContain("100%sure");
  });
});
