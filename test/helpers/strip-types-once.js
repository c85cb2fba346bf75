import { hash, randomUUID } from 'node:crypto'
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import * as nodeModule from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/*
 * Node strips the types of each file that a process imports, and its stripper alone takes longer to load than an engine's work.
 * The tests start thousands of engines: here each file is stripped once, in the same way, and kept by its content.
 */

const FOLDER = fileURLToPath(new URL('../../node_modules/.cache/stripped-types', import.meta.url))

function load (url, context, next) {
  if (!url.startsWith('file:') || !url.endsWith('.ts')) return next(url, context)
  // With the last line, too: coverage of a file is only merged where it is the same text in every process.
  return { format: 'module', source: `${stripped(readFileSync(new URL(url), 'utf8'))}\n\n//# sourceURL=${url}`, shortCircuit: true }
}

function stripped (source) {
  const kept = join(FOLDER, `${hash('sha256', process.version + source)}.js`)
  try {
    return readFileSync(kept, 'utf8')
  } catch {
    const code = stripTypes(source)
    keep(kept, code)
    return code
  }
}

/** Complete at once, as another process may read it. */
function keep (file, code) {
  const partial = `${file}.${randomUUID()}`
  try {
    mkdirSync(FOLDER, { recursive: true })
    writeFileSync(partial, code)
    renameSync(partial, file)
  } catch {} // every process strips for itself then
}

/** Without the warning that this is experimental, which Node does not give for what it strips itself. */
function stripTypes (source) {
  const { emitWarning } = process
  process.emitWarning = () => {}
  try {
    return nodeModule.stripTypeScriptTypes(source)
  } finally {
    process.emitWarning = emitWarning
  }
}

// Tests also start versions of Node that are too old for this package.
if (nodeModule.registerHooks !== undefined) {
  nodeModule.registerHooks({ load })
  const option = `--import=${import.meta.url}`
  const options = process.env.NODE_OPTIONS ?? ''
  if (!options.includes(option)) process.env.NODE_OPTIONS = `${options} ${option}`.trim()
}
