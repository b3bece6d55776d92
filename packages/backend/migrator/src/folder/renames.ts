/** drizzle-kit's snapshot, as far as drafting looks into it. */
export interface Snapshot {
  readonly tables: Readonly<Record<string, SnapshotTable>>;
}

export interface SnapshotTable {
  readonly name: string;
  readonly schema: string;
  readonly columns: Readonly<Record<string, { readonly name: string }>>;
  readonly indexes: Readonly<
    Record<
      string,
      { readonly columns: readonly { readonly expression: string; readonly isExpression: boolean }[] }
    >
  >;
  readonly foreignKeys: Readonly<Record<string, SnapshotForeignKey>>;
  readonly compositePrimaryKeys: Readonly<Record<string, { readonly columns: readonly string[] }>>;
  readonly uniqueConstraints: Readonly<Record<string, { readonly columns: readonly string[] }>>;
}

export interface SnapshotForeignKey {
  readonly tableFrom: string;
  readonly tableTo: string;
  readonly schemaTo?: string;
  readonly columnsFrom: readonly string[];
  readonly columnsTo: readonly string[];
}

/** A rename as drizzle-kit writes it; of a table where `column` is undefined. */
interface Rename {
  readonly schema: string;
  readonly table: string;
  readonly column: boolean;
  readonly from: string;
  readonly to: string;
}

const RENAME = /^ALTER TABLE (?:"([^"]+)"\.)?"([^"]+)" RENAME (COLUMN "([^"]+)" )?TO "([^"]+)";?$/gm;

/**
 * The renames of a migration, undone: statements that rename back, and the snapshot as it is after them. drizzle-kit
 * cannot draft these, since it would ask again which name was which; the answer stands in the file that it wrote.
 */
export function undoRenames(
  upSql: string,
  after: Snapshot,
): { readonly statements: readonly string[]; readonly snapshot: Snapshot } {
  const renames = [...upSql.matchAll(RENAME)].map(parseRename).reverse();
  return { statements: renames.map(renameBack), snapshot: renames.reduce(withoutRename, after) };
}

function parseRename([, schema = "", table = "", column, from = "", to = ""]: RegExpMatchArray): Rename {
  return { schema, table, column: column !== undefined, from: column === undefined ? table : from, to };
}

function renameBack({ schema, table, column, from, to }: Rename): string {
  const prefix = schema === "" ? "" : `"${schema}".`;
  if (column) return `ALTER TABLE ${prefix}"${table}" RENAME COLUMN "${to}" TO "${from}";`;
  return `ALTER TABLE ${prefix}"${to}" RENAME TO "${from}";`;
}

function withoutRename(snapshot: Snapshot, rename: Rename): Snapshot {
  const tables = Object.values(snapshot.tables).map((table) =>
    rename.column ? columnBack(table, rename) : tableBack(table, rename),
  );
  return {
    ...snapshot,
    tables: Object.fromEntries(tables.map((table) => [`${table.schema || "public"}.${table.name}`, table])),
  };
}

function tableBack(table: SnapshotTable, { from, to, schema }: Rename): SnapshotTable {
  const back = (name: string) => (name === to ? from : name);
  const foreignKeys = mapValues(table.foreignKeys, (key) => ({
    ...key,
    tableFrom: back(key.tableFrom),
    tableTo: back(key.tableTo),
  }));
  const isIt = table.name === to && sameSchema(table.schema, schema);
  return { ...table, name: isIt ? from : table.name, foreignKeys };
}

function columnBack(table: SnapshotTable, rename: Rename): SnapshotTable {
  const back = (name: string) => (name === rename.to ? rename.from : name);
  const foreignKeys = mapValues(table.foreignKeys, (key) =>
    key.tableTo === rename.table ? { ...key, columnsTo: key.columnsTo.map(back) } : key,
  );
  if (table.name !== rename.table || !sameSchema(table.schema, rename.schema))
    return { ...table, foreignKeys };
  const columns = Object.values(table.columns).map((column) => ({ ...column, name: back(column.name) }));
  const inColumns = <T extends { readonly columns: readonly string[] }>(key: T) => ({
    ...key,
    columns: key.columns.map(back),
  });
  return {
    ...table,
    columns: Object.fromEntries(columns.map((column) => [column.name, column])),
    indexes: mapValues(table.indexes, (index) => ({
      ...index,
      columns: index.columns.map((part) =>
        part.isExpression ? part : { ...part, expression: back(part.expression) },
      ),
    })),
    foreignKeys: mapValues(foreignKeys, (key) => ({ ...key, columnsFrom: key.columnsFrom.map(back) })),
    compositePrimaryKeys: mapValues(table.compositePrimaryKeys, inColumns),
    uniqueConstraints: mapValues(table.uniqueConstraints, inColumns),
  };
}

function sameSchema(one: string, other: string): boolean {
  return (one || "public") === (other || "public");
}

function mapValues<T, R>(values: Readonly<Record<string, T>>, change: (value: T) => R): Record<string, R> {
  return Object.fromEntries(Object.entries(values).map(([key, value]) => [key, change(value)]));
}
