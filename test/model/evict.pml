// SPDX-License-Identifier: MIT
// A page is evicted in place from a table that two spaces share, while one of them drops the table,
// or makes it its own, and the page is faulted in again.
// mutation EVICT_FLUSHES_ONE: only the space by which the table was found is flushed
// mutation EVICT_FLUSHES_PARENTS: a space that unlinked the table and did not flush yet is left out
// mutation NO_RECHECK: the table ceased to be the space's while its lock was waited for
// mutation NO_ANSWER: who waits does not answer
// mutation NO_FLUSH: nothing is flushed
// mutation DROPPED_BEFORE_FLUSH: a reference goes while its space has the table cached
#define SPACES 2
#define FRAMES 9
#define N 1
#define SHARED
#include "sharing.pml"

proctype first() {
    CPU(0, 0);
    evict();
    finish()
}
proctype second() {
    CPU(1, 1);
    if
    :: unmap_shared()
    :: evict(); user_mode(); read_fault()
    fi;
    finish()
}
proctype third() {
    CPU(2, 0);
    write_fault();
    finish()
}
init {
    d_step {
        kind[1] = TABLE;
        kind[2] = TABLE;
        kind[3] = TABLE;
        refs[3] = 2;
        holders[3] = 3;
        kind[4] = PAGE;
        refs[4] = 1;
        SLOT(1, 0) = ENTRY(3, 0);
        SLOT(2, 0) = ENTRY(3, 0);
        SLOT(3, 0) = ENTRY(4, 1);
        running[0] = 5;
        running[1] = 2;
        runs[1] = 1;
        born = 1
    }
    atomic {
        run hardware(1);
        run hardware(2);
        run first();
        run second();
        run third()
    }
}
