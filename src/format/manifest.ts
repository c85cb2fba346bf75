import { Type, type Static } from '@sinclair/typebox'
import { TypeCompiler } from '@sinclair/typebox/compiler'
import { CODECS, MAXIMUM_FRAME_BYTES } from './frame.ts'
import { sha256Hex } from './checksum.ts'

/** The version of the stored form that this package writes, and the newest it reads. */
export const FORMAT_VERSION = 1

/** Features of the stored form that this package can read; a manifest that requires another one is refused. */
export const KNOWN_FEATURES: ReadonlySet<string> = new Set()

const PAGE_SIZES: ReadonlySet<number> = new Set([512, 1024, 2048, 4096, 8192, 16384, 32768, 65536])

const Id = Type.String({ pattern: '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$' })
const Digest = Type.String({ pattern: '^[0-9a-f]{64}$' })
const Count = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })
/** So far below the last safe integer that those of this deployment can still come behind it. */
const Sequence = Type.Integer({ minimum: 0, maximum: 2 ** 52 })
const Nullable = <T extends ReturnType<typeof Type.String>>(schema: T) => Type.Union([schema, Type.Null()])

/** The whole description of one snapshot, written last: a snapshot exists when its manifest does. */
export const Manifest = Type.Object({
  formatVersion: Type.Literal(FORMAT_VERSION),
  /** Features a reader must know to read this snapshot. */
  required: Type.Array(Type.String()),
  id: Id,
  /** The deployment that made it, and the host it ran on. */
  source: Type.Object({ id: Id, host: Type.String() }),
  /** Order of creation within a source; clocks are not to be trusted for that. */
  sequence: Sequence,
  /** The snapshot whose pages this one shares, or null for a full one. */
  parent: Nullable(Id),
  name: Type.String(),
  database: Type.String(),
  trigger: Type.String(),
  createdAt: Type.String(),
  completedAt: Type.String(),
  /** Outcome of the integrity check: `ok`, `failed` or `unchecked`. */
  integrity: Type.Union([Type.Literal('ok'), Type.Literal('failed'), Type.Literal('unchecked')]),
  image: Type.Object({ pageSize: Count, pageCount: Count, size: Count, checksum: Digest, checksumAlgorithm: Type.Union([Type.Literal('sha256'), Type.Literal('sha256-tree')]) }),
  sqlite: Type.Object({ version: Type.String(), schemaHash: Nullable(Digest), userVersion: Type.Integer(), encoding: Type.String(), journalMode: Type.String(), freePages: Type.Optional(Count) }),
  packs: Type.Array(Type.Object({ id: Id, bytes: Count, keyId: Nullable(Type.String()), wrappedKey: Nullable(Type.String()) })),
  /** Where the page map stands. */
  map: Type.Object({
    pack: Id,
    offset: Count,
    storedLength: Type.Integer({ minimum: 1, maximum: 2 * MAXIMUM_FRAME_BYTES }),
    rawLength: Type.Integer({ minimum: 1, maximum: 16 * MAXIMUM_FRAME_BYTES }),
    sha256: Digest,
    codec: Type.Integer()
  })
})
export type Manifest = Static<typeof Manifest>

const compiled = TypeCompiler.Compile(Manifest)

/** The stored bytes of a manifest: the body on the first line, its checksum on the second. */
export function encodeManifest (manifest: Manifest): Buffer {
  const body = JSON.stringify(manifest)
  return Buffer.from(`${body}\n${JSON.stringify({ sha256: sha256Hex(body), mac: null })}\n`)
}

/**
 * Reads and checks a manifest.
 * @throws Error that says what is wrong: damage, or a version or feature this package is too old for.
 */
export function decodeManifest (bytes: Buffer): Manifest {
  const manifest = JSON.parse(undamagedBody(bytes)) as Manifest
  if (manifest.formatVersion > FORMAT_VERSION) throw new Error(`the manifest has format version ${manifest.formatVersion}, this package reads up to ${FORMAT_VERSION}; update fastify-sqlite-snapshots`)
  if (!compiled.Check(manifest)) {
    const first = compiled.Errors(manifest).First()
    throw new Error(`the manifest is not valid: ${first?.path} ${first?.message}`)
  }
  const unknown = manifest.required.filter(feature => !KNOWN_FEATURES.has(feature))
  if (unknown.length > 0) throw new Error(`the snapshot requires ${unknown.join(', ')}; update fastify-sqlite-snapshots`)
  if (!CODECS.has(manifest.map.codec)) throw new Error(`the page map uses codec ${manifest.map.codec}; update fastify-sqlite-snapshots`)
  const { pageSize, pageCount, size } = manifest.image
  if (size !== pageSize * pageCount || (pageCount > 0 && !PAGE_SIZES.has(pageSize))) throw new Error('the manifest contradicts itself about the size of the image')
  return manifest
}

/**
 * Which of some packs a manifest may need, also one of a version this package is too old for.
 * @throws Error for damage, and where the manifest does not list its packs
 */
export function packsNamed (bytes: Buffer, packs: Iterable<string>): string[] {
  // The parent is named for information: none of its packs need be used.
  const { parent, ...rest } = JSON.parse(undamagedBody(bytes)) as { parent?: unknown, packs?: unknown }
  if (!Array.isArray(rest.packs)) throw new Error('the manifest does not list its packs')
  // Wherever an id stands, in whatever form.
  const text = JSON.stringify(rest)
  return [...packs].filter(pack => text.includes(pack))
}

/**
 * The body of a manifest of any version: the text of an object, whose checksum is right.
 * @throws Error for damage
 */
export function undamagedBody (bytes: Buffer): string {
  const [body = '', checksumLine = ''] = bytes.toString('utf8').split('\n')
  const { sha256 } = parseJson(checksumLine, 'checksum line') as { sha256?: unknown }
  if (sha256 !== sha256Hex(body)) throw new Error('the checksum of the manifest does not match')
  parseJson(body, 'body')
  return body
}

function parseJson (line: string, what: string): object {
  try {
    const value: unknown = JSON.parse(line)
    if (typeof value === 'object' && value !== null) return value
  } catch {}
  throw new Error(`the manifest's ${what} is cut or damaged`)
}
