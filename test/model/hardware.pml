// SPDX-License-Identifier: MIT
// What each CPU's hardware does beside its program, and what it may have cached. Part of protocol.pml.

#define HERE(c) SLOT(ROOT(runs[c]), 0)
// What a walk of the hardware would find now.
#define BELOW(entry) SLOT(FRAME(entry), 0)
#define COMBINED(entry) (WRITE(entry) -> BELOW(entry) : NARROW(BELOW(entry)))

// Whether CPU c caches nothing but what stands in its space's tables, with no more rights.
#define FITS(old, now) (old == 0 || old == now || old == NARROW(now))
#define COHERENT_CPU(c, its) (runs[c] != its || (FITS(psc[c], HERE(c)) && \
    (tlb[c] == 0 || (FRAME(HERE(c)) != 0 && FITS(tlb[c], COMBINED(HERE(c)))))))
#define COHERENT(its) (COHERENT_CPU(0, its) && COHERENT_CPU(1, its) && COHERENT_CPU(2, its))
#define UNCACHED_CPU(c, its) (runs[c] != its || tlb[c] == 0)
#define UNCACHED(its) (UNCACHED_CPU(0, its) && UNCACHED_CPU(1, its) && UNCACHED_CPU(2, its))

#ifndef FOREIGN_WRITE
#define FOREIGN_WRITE(c) false
#endif

// Walks at any time, also speculatively; keeps what it found until it is told to forget.
proctype hardware(byte c) {
end_hardware:
    do
    :: d_step { FRAME(HERE(c)) != 0 && psc[c] != HERE(c) -> psc[c] = HERE(c) }
    :: d_step { psc[c] != 0 && kind[FRAME(psc[c])] != TABLE -> assert(false) } // reads what was freed
    :: d_step {
            psc[c] != 0 && FRAME(BELOW(psc[c])) != 0 && tlb[c] != COMBINED(psc[c]) ->
                tlb[c] = COMBINED(psc[c])
        }
    :: d_step { tlb[c] != 0 && kind[FRAME(tlb[c])] != PAGE -> assert(false) } // uses what was freed
    :: d_step { FOREIGN_WRITE(c) -> assert(false) } // writes what another space can read
    od
}
