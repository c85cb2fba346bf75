import process from 'node:process'

/**
 * Imported before everything else: on an older Node, better-sqlite3 would end the process with a segmentation fault.
 */
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
if (major < 22 || (major === 22 && minor < 15)) {
  throw new Error(`fastify-sqlite-snapshots needs Node.js 22.15 or newer, and this is ${process.versions.node}`)
}
