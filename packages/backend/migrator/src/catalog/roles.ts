import type { Catalog, ObjectId } from "./catalog.ts";

/** Names of the roles that these catalogs speak of. Roles are the cluster's, so they are taken to be there. */
export function rolesOf(...catalogs: readonly Catalog[]): readonly string[] {
  const names = catalogs.flatMap(({ objects }) =>
    objects.flatMap(({ id, properties }) => [
      ...[id.grantee, roleOf(id)].filter((name) => name !== undefined),
      ...(id.kind === "policy" && Array.isArray(properties.roles) ? properties.roles.map(String) : []),
    ]),
  );
  return [...new Set(names)].sort();
}

function roleOf({ role }: ObjectId): string | undefined {
  return typeof role === "string" ? role : undefined;
}
