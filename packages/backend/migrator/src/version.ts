/** Version of the migrator, as the run log and `--version` show it; a test compares it with package.json. */
export const VERSION = "0.1.0";
