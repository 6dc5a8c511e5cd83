import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createKnowledge, type LogName } from '../../peer/group/knowledge.ts'
import { LanyardError } from '../../shared/errors.ts'
import type { Incarnation, PeerId, RecordHash } from '../../shared/ids.ts'

const hash = (name: string | number) => `${name}` as RecordHash
const log = (name: string): LogName => ({ device: name as PeerId, incarnation: '00'.repeat(8) as Incarnation })
const [a, b] = [log('a'), log('b')]
const SEED = Number(process.env.LANYARD_SEED ?? Date.now() % 2 ** 31)
console.log(`knowledge.test: LANYARD_SEED=${SEED}`)

describe('who writes a record', () => {
  test('knows what it cites, what its log cited before, and what the authors of those knew', () => {
    const knowledge = createKnowledge()
    knowledge.note(a, 0, [], hash('one'))
    knowledge.note(a, 1, [hash('one')], hash('two'))
    knowledge.note(b, 3, [hash('two')])
    expect(knowledge.knows(b, 2, hash('two'))).toBe(false)
    for (const seq of [3, 4, 1_000]) {
      expect(['one', 'two'].map((name) => knowledge.knows(b, seq, hash(name)))).toEqual([true, true])
    }
    expect(knowledge.pastOf(b, 3).size).toBe(2)
    expect(knowledge.pastOf(b, 0).size).toBe(0)
  })

  test('does not know the record itself, but knows it from then on', () => {
    const knowledge = createKnowledge()
    knowledge.note(a, 5, [], hash('one'))
    expect([5, 6].map((seq) => knowledge.knows(a, seq, hash('one')))).toEqual([false, true])
    expect(knowledge.since(a, hash('one'))).toBe(5)
    expect(knowledge.since(b, hash('one'))).toBeNull()
  })

  test('is another one in another life of its store', () => {
    const knowledge = createKnowledge()
    knowledge.note(a, 0, [], hash('one'))
    expect(knowledge.knows({ ...a, incarnation: '11'.repeat(8) as Incarnation }, 7, hash('one'))).toBe(false)
  })
})

test('a citation of what is not here is told, and refused', () => {
  const knowledge = createKnowledge()
  knowledge.note(a, 0, [], hash('one'))
  expect(knowledge.lacks([hash('one'), hash('two')])).toEqual([hash('two')])
  expect(() => knowledge.note(b, 0, [hash('two')])).toThrow(LanyardError)
})

test('a record noted again changes nothing; one that comes too late is a fault', () => {
  const knowledge = createKnowledge()
  knowledge.note(a, 0, [], hash('one'))
  knowledge.note(b, 0, [])
  knowledge.note(b, 4, [hash('one')])
  knowledge.note(a, 1, [], hash('two'))
  const before = [knowledge.newest(), knowledge.since(b, hash('one'))]
  knowledge.note(a, 0, [], hash('one'))
  knowledge.note(b, 4, [hash('one')])
  expect([knowledge.newest(), knowledge.since(b, hash('one'))]).toEqual(before)
  expect(() => knowledge.note(b, 2, [hash('two')])).toThrow(LanyardError)
})

test('the newest are what no other one knows', () => {
  const knowledge = createKnowledge()
  knowledge.note(a, 0, [], hash('root'))
  knowledge.note(a, 1, [], hash('left'))
  knowledge.note(b, 0, [hash('root')], hash('right'))
  expect(knowledge.newest()).toEqual(['left', 'right'])
  knowledge.note(b, 1, [hash('left')], hash('both'))
  expect(knowledge.newest()).toEqual(['both'])
})

test('a hundred thousand messages that cite nothing cost nothing, and what many know is kept once', () => {
  const knowledge = createKnowledge()
  knowledge.note(a, 0, [], hash('one'))
  for (let seq = 0; seq < 1_000; seq++) knowledge.note(log(`${seq}`), 0, [hash('one')])
  for (let seq = 1; seq < 100_000; seq++) knowledge.note(b, seq, [])
  const pasts = new Set(Array.from({ length: 1_000 }, (_, name) => knowledge.pastOf(log(`${name}`), 9)))
  expect(pasts.size).toBe(1)
  expect(knowledge.since(b, hash('one'))).toBeNull()
})

test('what is known is what can be reached, over any history', () => {
  const record = fc.record({ log: fc.nat(3), cites: fc.array(fc.nat(200), { maxLength: 3 }), isFact: fc.boolean() })
  fc.assert(
    fc.property(fc.array(record, { maxLength: 80 }), (history) => {
      const knowledge = createKnowledge()
      const seqs = [0, 0, 0, 0]
      const facts: { readonly hash: RecordHash; readonly past: ReadonlySet<string> }[] = []
      const known: Set<string>[] = [new Set(), new Set(), new Set(), new Set()]
      const firsts = new Map<string, number>()
      for (const [at, { log: which, cites, isFact }] of history.entries()) {
        const seq = seqs[which] ?? 0
        const mine = known[which] ?? new Set()
        const name = log(`${which}`)
        const cited = facts.length === 0 ? [] : cites.flatMap((cite) => facts[cite % facts.length] ?? [])
        for (const fact of cited) for (const one of [fact.hash, ...fact.past]) mine.add(one)
        knowledge.note(
          name,
          seq,
          cited.map((fact) => fact.hash),
          isFact ? hash(at) : undefined,
        )
        seqs[which] = seq + 1
        for (const one of mine) if (!firsts.has(`${which} ${one}`)) firsts.set(`${which} ${one}`, seq)
        const past = knowledge.pastOf(name, seq)
        expect(past.size).toBe(mine.size)
        for (const fact of facts) expect(past.has(fact.hash)).toBe(mine.has(fact.hash))
        if (!isFact) continue
        facts.push({ hash: hash(at), past: new Set(mine) })
        mine.add(hash(at))
        firsts.set(`${which} ${at}`, seq)
      }
      for (const fact of facts) {
        for (const which of [0, 1, 2, 3]) {
          expect(knowledge.since(log(`${which}`), fact.hash)).toBe(firsts.get(`${which} ${fact.hash}`) ?? null)
        }
      }
      const newest = facts.filter((fact) => !facts.some(({ past }) => past.has(fact.hash)))
      expect(knowledge.newest()).toEqual(newest.map((fact) => fact.hash).sort())
    }),
    { seed: SEED },
  )
})
