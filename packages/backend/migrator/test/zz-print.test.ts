import { readdirSync } from "node:fs";
import { test } from "vitest";
import { setScene } from "./support/incidents.ts";
for (const name of readdirSync(new URL("./incidents/", import.meta.url)))
  for (const form of ["pending", "fixed"] as const)
    test(`${name} ${form}`, async () => {
      const scene = await setScene(name, form);
      const plan = await scene.cli("plan");
      const run = await scene.cli("migrate");
      console.log(`##### ${name} ${form} plan exit ${plan.exitCode}\n${plan.stdout}${plan.stderr}\n--- migrate exit ${run.exitCode}\n${run.stdout}${run.stderr}`);
    });
