import Database from 'better-sqlite3'
import fc from 'fast-check'
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import '../../helpers/use-built.ts'
import { codeOf } from '../../../src/errors.ts'
import { LocalStorage, type SnapshotWriter } from '../../../src/index.ts'
import { builtWriterFor } from '../../helpers/built.ts'
import { makeDatabase } from '../../helpers/databases.ts'
import { allOf, jsonIn, keysIn, loseCatalog } from '../../helpers/deployments.ts'
import { testFolder } from '../../helpers/folder.ts'
import { RemoteStorage } from '../../helpers/remote-storage.ts'

/* Random histories of two deployments that share a storage, lose their machines and take each other's snapshots over, against a plain model. */

const RUNS = Number(process.env.HISTORIES ?? 8)

type Step = { host: 0 | 1 } & ({ does: 'create' } | { does: 'look' } | { does: 'adopt' } | { does: 'schedule' } | { does: 'delete' | 'pin' | 'unpin' | 'label', which: number } | { does: 'lose', keepsSource: boolean, keepsFiles: boolean })

const anyStep: fc.Arbitrary<Step> = fc.record({ host: fc.constantFrom(0 as const, 1 as const) }).chain(({ host }) => fc.oneof(
  { weight: 4, arbitrary: fc.constant<Step>({ host, does: 'create' }) },
  { weight: 2, arbitrary: fc.constant<Step>({ host, does: 'schedule' }) },
  { weight: 4, arbitrary: fc.record({ host: fc.constant(host), does: fc.constantFrom('delete' as const, 'pin' as const, 'unpin' as const, 'label' as const), which: fc.nat(20) }) },
  { weight: 1, arbitrary: fc.constant<Step>({ host, does: 'look' }) },
  { weight: 1, arbitrary: fc.constant<Step>({ host, does: 'adopt' }) },
  { weight: 2, arbitrary: fc.record({ host: fc.constant(host), does: fc.constant('lose' as const), keepsSource: fc.boolean(), keepsFiles: fc.boolean() }) }
))

interface Known { owner: string, text: string, pinned: boolean, labels: Record<string, string>, isScheduled: boolean }

class Host {
  readonly folder: string
  readonly remote: RemoteStorage
  readonly hasLocal: boolean
  readonly application: Database.Database
  writer: SnapshotWriter
  /** Null until the first snapshot tells it. */
  source: string | null = null
  /** Snapshots that it takes for its own: what another one took over it learns of at its next look. */
  readonly believed = new Set<string>()
  /** Snapshots that its local files have. */
  readonly files = new Set<string>()
  readonly #open: () => SnapshotWriter

  constructor (folder: string, root: string, hasLocal: boolean, make: (path: string, options: object) => SnapshotWriter) {
    this.folder = folder
    this.remote = new RemoteStorage(root)
    this.hasLocal = hasLocal
    mkdirSync(folder, { recursive: true })
    this.application = makeDatabase(join(folder, 'app.db'), { rows: 200 })
    this.#open = () => make(join(folder, 'app.db'), { snapshotDir: this.snapshotDir, storage: hasLocal ? [new LocalStorage(this.snapshotDir), this.remote] : this.remote })
    this.writer = this.#open()
  }

  get snapshotDir (): string {
    return join(this.folder, 'backups')
  }

  async lose (keepsSource: boolean, keepsFiles: boolean): Promise<void> {
    await loseCatalog(this)
    if (!keepsSource) {
      rmSync(join(this.snapshotDir, '.source'), { force: true })
      this.source = null
    }
    if (!keepsFiles) rmSync(join(this.snapshotDir, 'app'), { recursive: true, force: true })
    this.writer = this.#open()
  }
}

async function refusal (work: Promise<unknown>): Promise<string | undefined> {
  try {
    await work
    return undefined
  } catch (error) {
    return codeOf(error) ?? String(error)
  }
}

let runs = 0
t.test('two deployments, losses and takeovers: what is listed, what restores and what is stored is as it should be', async t => {
  const base = testFolder(t)
  await fc.assert(fc.asyncProperty(fc.boolean(), fc.array(anyStep, { minLength: 3, maxLength: 12 }), async (hasLocal, steps) => {
    const folder = join(base, `run-${runs++}`)
    const root = join(folder, 'remote')
    const hosts = ['one', 'two'].map(name => new Host(join(folder, name), root, hasLocal, (path, options) => builtWriterFor(t, path, options))) as [Host, Host]
    const model = new Map<string, Known>()
    const looked = (host: Host): void => {
      for (const [id, { owner }] of model) if (owner !== host.source) host.believed.delete(id)
    }
    // What becomes of a snapshot that another deployment, which lives, still has or takes for its own is in docs/storages.md.
    const mayDelete = (host: Host, id: string): boolean => hosts.every(other => other === host || !(other.believed.has(id) || other.files.has(id)))
    const note = async (host: Host, id: string, text: string, isScheduled: boolean): Promise<void> => {
      const { source } = await host.writer.getSnapshot(id)
      host.source = source
      model.set(id, { owner: source, text, pinned: false, labels: {}, isScheduled })
      host.believed.add(id)
      if (hasLocal) host.files.add(id)
    }
    const expect = (what: string, actual: unknown, expected: unknown): void => {
      if (JSON.stringify(actual) !== JSON.stringify(expected)) throw new Error(`${what}: ${JSON.stringify(actual)} instead of ${JSON.stringify(expected)}`)
    }
    try {
      let number = 0
      for (const step of steps) {
        const host = hosts[step.host]
        const { writer } = host
        const text = `${step.does} ${number++}`
        if (step.does === 'create' || step.does === 'schedule') host.application.prepare('UPDATE items SET text = ? WHERE id = 1').run(text)
        if (step.does === 'create') await note(host, (await writer.createSnapshot(`number-${number % 3}-${number}`)).id, text, false)
        else if (step.does === 'schedule') {
          if ([...model].some(([id, known]) => known.owner === host.source && known.isScheduled && !mayDelete(host, id))) continue
          // Retention counts what a deployment knows to be its own.
          await writer.rebuildCatalog()
          looked(host)
          await note(host, (await writer.createScheduledSnapshot(2)).id, text, true)
          const own = [...model].filter(([, known]) => known.owner === host.source && known.isScheduled && !known.pinned)
          const listed = (await allOf(writer)).filter(({ id }) => own.some(([known]) => known === id)).map(({ id }) => id)
          expect('what retention keeps', listed.length, Math.min(2, own.length))
          for (const [id] of own) if (!listed.includes(id)) model.delete(id)
        } else if (step.does === 'look') {
          await writer.rebuildCatalog()
          looked(host)
        } else if (step.does === 'adopt') {
          if (host.source === null) continue
          const others = [...model.values()].filter(({ owner }) => owner !== host.source)
          expect('how many were taken over', await writer.adoptSnapshots(), others.length)
          for (const known of others) known.owner = host.source
          for (const id of model.keys()) host.believed.add(id)
        } else if (step.does === 'lose') {
          await host.lose(step.keepsSource, step.keepsFiles)
          if (!step.keepsFiles) host.files.clear()
          if (!hasLocal || !step.keepsFiles || !step.keepsSource) looked(host)
        } else {
          const [id, known] = [...model][step.which % Math.max(1, model.size)] ?? []
          if (id === undefined || known === undefined) continue
          const isOwn = known.owner === host.source
          if (step.does === 'delete' && isOwn && !mayDelete(host, id)) continue
          const change = step.does === 'label' ? { labels: { text } } : { pinned: step.does === 'pin' }
          const code = await refusal(step.does === 'delete' ? writer.deleteSnapshot(id) : writer.updateSnapshot(id, change))
          const isRefused = !isOwn || (step.does === 'delete' && known.pinned)
          if (isRefused !== ['FST_SNAPSHOT_NOT_OWN', 'FST_SNAPSHOT_PINNED'].includes(String(code)) || (!isRefused && code !== undefined)) throw new Error(`${JSON.stringify(step)}: ${String(code)}`)
          if (!isRefused && step.does === 'delete') model.delete(id)
          else if (!isRefused) Object.assign(known, change)
        }
        await host.writer.completeReplicas()
      }
      for (const { writer, folder, remote } of hosts) {
        await writer.rebuildCatalog()
        const listed = (await allOf(writer)).map(({ id, source, pinned, labels, status }) => [id, source, pinned, labels, status])
        expect('what is listed', listed.toSorted(), [...model].map(([id, { owner, pinned, labels }]) => [id, owner, pinned, labels, 'COMPLETED']).toSorted())
        for (const [id, { text }] of model) {
          const file = join(folder, `${id}.db`)
          await writer.restoreToFile(id, file)
          const copy = new Database(file)
          expect(`the content of ${id}`, copy.prepare('SELECT text FROM items WHERE id = 1').pluck().get(), text)
          copy.close()
        }
        await writer.completeReplicas()
        expect('manifests', (await keysIn(remote, '/snapshots/')).toSorted(), [...model.keys()].map(id => `app/snapshots/${id}.json`).toSorted())
      }
      const { remote } = hosts[0]
      const needed = new Set<string>()
      for (const key of await keysIn(remote, '/snapshots/')) for (const { id } of (await jsonIn(remote, key)).packs as Array<{ id: string }>) needed.add(`app/packs/${id}/data.zst`)
      expect('packs', (await keysIn(remote, '/packs/')).toSorted(), [...needed].toSorted())
      expect('marks of nothing', (await keysIn(remote, '/marks/')).filter(key => !model.has(key.split('/')[2]!.slice(0, -5))), [])
    } finally {
      for (const { writer, application } of hosts) {
        await writer.close()
        application.close()
      }
      rmSync(folder, { recursive: true })
    }
  }), { numRuns: RUNS, endOnFailure: true })
  t.pass(`${RUNS} histories`)
})
