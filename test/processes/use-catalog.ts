import { randomUUID } from 'node:crypto'
import { Catalog } from '../../src/catalog/catalog.ts'
import { increment } from '../../src/catalog/metric-values.ts'
import { insertSnapshot } from '../../src/catalog/snapshots.ts'

/* Opens the catalog of a folder when told to start, and adds so many snapshots. */
const [folder, writer, count] = process.argv.slice(2) as [string, string, string]
process.on('disconnect', () => { process.exit() })
process.on('message', () => {
  let report: { source: string } | { error: string }
  try {
    const catalog = Catalog.open(folder)
    for (let number = 0; number < Number(count); number++) {
      insertSnapshot(catalog, { id: randomUUID(), database: 'app', name: `${writer}-${number}`, status: 'CREATING', trigger: 'manual', source: catalog.source, createdAt: new Date().toISOString() })
      catalog.write(database => { increment(database, 'app', 'written') })
    }
    catalog.close()
    report = { source: catalog.source }
  } catch (error) {
    report = { error: String(error) }
  }
  process.send?.(report, () => { process.exit() })
})
process.send?.('ready')
