/**
 * node:http, not imported: an import reads all that a module exports, which makes Node load its own WebSocket with all
 * of its own undici behind it (25 ms of a core at each start of a gate, 75 in a program that has no other; measured).
 */
export const { createServer, ServerResponse, STATUS_CODES } = process.getBuiltinModule('node:http')
