export { createTestDatabase, type TestDatabase } from "./database.ts";
export { createTestRole, type TestRole, type TestRoleOptions } from "./role.ts";
export { adminUrl, type ProvidedTestDatabase } from "./run.ts";
export { createTemplate, type Template } from "./template.ts";
