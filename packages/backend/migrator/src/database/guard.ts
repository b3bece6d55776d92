/** Makes a session read-only outside of transactions that say otherwise, so that what a lost BEGIN leaves cannot write. */
export const GUARD = "set default_transaction_read_only = on";
export const UNGUARD = "reset default_transaction_read_only";

/** Lets the commands of one message write in a guarded session; first among them. */
export const READ_WRITE = "set transaction read write";
