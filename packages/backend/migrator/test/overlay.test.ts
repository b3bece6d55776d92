import { describe, expect, test } from "vitest";
import { Overlay } from "../src/review/overlay.ts";

const ITEMS = Array.from({ length: 6 }, (_, key) => ({ key }));
const [A, B, C, D, E, F] = ITEMS as [object, object, object, object, object, object];

const base = new Map([
  [0, A],
  [1, B],
  [2, C],
]);

describe("a map on another one", () => {
  const first = Overlay.on(base, new Map([[3, D]]), [0]);
  const second = Overlay.on(first, new Map([[1, E]]), [3]);

  test("holds what is new and lacks what is gone, without a change of those below it", () => {
    expect(new Map(first)).toEqual(new Map([...base, [3, D] as const].filter(([key]) => key !== 0)));
    expect(new Map(second)).toEqual(
      new Map([
        [1, E],
        [2, C],
      ]),
    );
    expect([...base.keys()]).toEqual([0, 1, 2]);
  });

  test.each([
    ["first", first],
    ["second", second],
  ])("answers as a map does: %s", (_, map) => {
    const plain = new Map(map);
    expect(map.size).toBe(plain.size);
    expect([...map.keys()].sort()).toEqual([...plain.keys()].sort());
    expect(new Set(map.values())).toEqual(new Set(plain.values()));
    expect(new Map(map.entries())).toEqual(plain);
    for (const key of [0, 1, 2, 3, 4]) {
      expect(map.has(key)).toBe(plain.has(key));
      expect(map.get(key)).toBe(plain.get(key));
    }
    const told = new Map<number, object>();
    map.forEach((item, key) => {
      told.set(key, item);
    });
    expect(told).toEqual(plain);
  });

  test("what comes again is there again", () => {
    expect(Overlay.on(second, new Map([[0, F]]), []).get(0)).toBe(F);
    expect(Overlay.on(base, new Map([[0, F]]), [0]).get(0)).toBe(F);
  });

  test("is the other one itself where nothing is another", () => {
    expect(Overlay.on(second, new Map(), [0, 7])).toBe(second);
  });

  test("tells where two may differ: by what they do not share, or by everything", () => {
    expect([...Overlay.differing(base, first)].sort()).toEqual([0, 3]);
    expect([...Overlay.differing(first, second)].sort()).toEqual([0, 1, 3]);
    expect([...Overlay.differing(second, second)]).not.toContain(2);
    expect([...Overlay.differing(base, new Map(base))].sort()).toEqual([0, 1, 2]);
  });
});
