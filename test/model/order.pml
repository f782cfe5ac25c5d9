// SPDX-License-Identifier: MIT
// Two tables of an object stand in two spaces in opposite order, and both spaces unmap both; a third
// CPU changes one in place. Shared tables are locked one at a time, each as the last lock.
// mutation TWO_SHARED_LOCKS: the first is held while the second is taken
#define SPACES 2
#define FRAMES 5
#define N 2
#define SHARED
#include "sharing.pml"

#ifdef TWO_SHARED_LOCKS
#define DROP_FIRST skip
#define DROP_BOTH drop(t); drop(q)
#else
#define DROP_FIRST drop(t)
#define DROP_BOTH drop(q)
#endif
inline unmap_both() {
    take(ROOT(s));
    t = FRAME(SLOT(ROOT(s), 0));
    take(t);
    SLOT(ROOT(s), 0) = EMPTY;
    DROP_FIRST;
    q = FRAME(SLOT(ROOT(s), 1));
    take(q);
    SLOT(ROOT(s), 1) = EMPTY;
    DROP_BOTH;
    flush(1 << s);
    drop(ROOT(s));
    p = q;
    drop_reference(t);
    drop_reference(p);
    atomic { t = 0; p = 0; q = 0 }
}

proctype first() {
    CPU(0, 0);
    unmap_both();
    finish()
}
proctype second() {
    CPU(1, 1);
    unmap_both();
    finish()
}
proctype third() {
    CPU(2, 0);
    evict();
    finish()
}
init {
    d_step {
        kind[1] = TABLE;
        kind[2] = TABLE;
        kind[3] = TABLE;
        kind[4] = TABLE;
        kind[5] = PAGE;
        refs[3] = 2;
        refs[4] = 2;
        refs[5] = 1;
        holders[3] = 3;
        holders[4] = 3;
        SLOT(1, 0) = ENTRY(3, 0);
        SLOT(1, 1) = ENTRY(4, 0);
        SLOT(2, 0) = ENTRY(4, 0);
        SLOT(2, 1) = ENTRY(3, 0);
        SLOT(3, 0) = ENTRY(5, 0);
        running[0] = 5;
        running[1] = 2;
        runs[1] = 1
    }
    atomic {
        run hardware(2);
        run first();
        run second();
        run third()
    }
}
