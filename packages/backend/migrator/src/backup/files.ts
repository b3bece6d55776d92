import { createHash } from "node:crypto";
import { once } from "node:events";
import { createReadStream } from "node:fs";
import { type FileHandle, mkdir, open, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { constants, createGunzip, createGzip, type Gzip } from "node:zlib";
import { codeOf } from "../database/failures.ts";

/** Bytes handled at a time: what is in memory, however large the table. */
const CHUNK = 256 * 1024;

/** What a finished file is known by. */
export interface FileFacts {
  readonly bytes: number;
  /** Of the file as it lies there, in hex. */
  readonly sha256: string;
}

/** A file that is being written. */
export interface GzipFile {
  /** @throws the file system's error, also one of an earlier call */
  take(bytes: Buffer): Promise<void>;
  /** Ends the file and waits until it is on the disk. */
  finish(): Promise<FileFacts>;
  /** Closes it as it is, where nothing more will come; once it is finished, that does nothing. */
  abandon(): Promise<void>;
}

/** Makes a file that only its owner may read, and compresses into it: quickly, since tables are locked meanwhile. */
export async function createGzipFile(path: string): Promise<GzipFile> {
  const file = await open(path, "wx", 0o600);
  const gzip = createGzip({ level: constants.Z_BEST_SPEED, chunkSize: CHUNK });
  // Its failures are those of the file, which are thrown by whoever waits for it.
  gzip.on("error", () => undefined);
  const written = write(gzip, file).finally(() => file.close());
  written.catch(() => undefined);
  return {
    async take(bytes) {
      if (gzip.destroyed) await written;
      else if (!gzip.write(bytes)) await Promise.race([once(gzip, "drain").catch(() => written), written]);
    },
    async finish() {
      gzip.end();
      return written;
    },
    async abandon() {
      gzip.destroy();
      await written.catch(() => undefined);
    },
  };
}

async function write(gzip: Gzip, file: FileHandle): Promise<FileFacts> {
  const hash = createHash("sha256");
  let bytes = 0;
  for await (const chunk of gzip as AsyncIterable<Buffer>) {
    hash.update(chunk);
    bytes += chunk.length;
    // Whole, and behind what is there: a bare write may take less than it is given.
    await file.writeFile(chunk);
  }
  await file.sync();
  return { bytes, sha256: hash.digest("hex") };
}

/** Reads a file back from the disk. Rows are lines: COPY writes a line feed within a value as `\n`. */
export async function readBack(path: string): Promise<FileFacts & { readonly rows: number }> {
  const hash = createHash("sha256");
  let [bytes, rows] = [0, 0];
  await pipeline(
    createReadStream(path, { highWaterMark: CHUNK }),
    async function* (source: AsyncIterable<Buffer>) {
      for await (const chunk of source) {
        hash.update(chunk);
        bytes += chunk.length;
        yield chunk;
      }
    },
    createGunzip({ chunkSize: CHUNK }),
    async (source: AsyncIterable<Buffer>) => {
      for await (const chunk of source) rows += countLines(chunk);
    },
  );
  return { bytes, sha256: hash.digest("hex"), rows };
}

/** The content of a file. */
export function openGzipFile(path: string): readonly [Readable, NodeJS.ReadWriteStream] {
  return [createReadStream(path, { highWaterMark: CHUNK }), createGunzip({ chunkSize: CHUNK })];
}

const LINE_FEED = 10;

function countLines(chunk: Buffer): number {
  let lines = 0;
  for (let at = chunk.indexOf(LINE_FEED); at >= 0; at = chunk.indexOf(LINE_FEED, at + 1)) lines++;
  return lines;
}

/** A folder that has its name only once all in it is finished. */
export interface Draft {
  /** While it is written. */
  readonly path: string;
  /** Writes the last file and gives the folder its name. @returns its path */
  publish(lastFile: string, text: string): Promise<string>;
  /** Removes it, by whichever name. */
  remove(): Promise<void>;
}

/** @param base is made where it is missing  @param name that the folder gets in the end, or with a number behind it */
export async function createDraft(base: string, name: string): Promise<Draft> {
  await mkdir(base, { recursive: true, mode: 0o700 });
  let path = join(base, `.${name}.${process.pid}.unfinished`);
  await mkdir(path, { mode: 0o700 });
  return {
    path,
    async publish(lastFile, text) {
      const file = await open(join(path, lastFile), "wx", 0o600);
      try {
        await file.writeFile(text);
        await file.sync();
      } finally {
        await file.close();
      }
      await syncFolder(path);
      path = await renameFreely(path, join(base, name));
      await syncFolder(base);
      return path;
    },
    remove: () => rm(path, { recursive: true, force: true }),
  };
}

/** Two rollbacks of one migration within a second get two folders. */
async function renameFreely(from: string, wanted: string): Promise<string> {
  for (let number = 1; ; number++) {
    const to = number === 1 ? wanted : `${wanted}_${number}`;
    try {
      await rename(from, to);
      return to;
    } catch (error) {
      if (!["ENOTEMPTY", "EEXIST", "ENOTDIR"].includes(codeOf(error) ?? "")) throw error;
    }
  }
}

/** Without it, a crash of the machine could take the names of files that are there. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
