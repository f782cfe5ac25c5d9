// SPDX-License-Identifier: MIT
// A CPU goes from space to space while their tables are unlinked and freed; another reads the tables
// of a space that it does not run (Visit).
// mutation LOADED_BEFORE_JOINED: a root is loaded before the CPU stands in the space's set
// mutation LEFT_BEFORE_LOADED: the CPU leaves the old space's set before it loads another root
// mutation VISIT_WITHOUT_JOINING: foreign tables are read by a CPU that no flush waits for
#define SPACES 2
#define FRAMES 6
#define N 1
#include "protocol.pml"
#include "operations.pml"

#define JOIN(next) running[next] = running[next] | (1 << me)
#define LEAVE(old) running[old] = running[old] & ~(1 << me)
// Loading a root forgets what was cached of another.
#define LOAD(next) atomic { runs[me] = next; psc[me] = 0; tlb[me] = 0 }

// arch::run_space; interrupts are off.
#ifdef LOADED_BEFORE_JOINED
#define RUN_SPACE(next, old) LOAD(next); JOIN(next); LEAVE(old)
#elif defined(LEFT_BEFORE_LOADED)
#define RUN_SPACE(next, old) JOIN(next); LEAVE(old); LOAD(next)
#else
#define RUN_SPACE(next, old) JOIN(next); LOAD(next); LEAVE(old)
#endif
#ifdef VISIT_WITHOUT_JOINING
#define BEGIN_VISIT(other) skip
#define END_VISIT(other) skip
#else
#define BEGIN_VISIT(other) JOIN(other)
#define END_VISIT(other) LEAVE(other)
#endif

proctype first() {
    CPU(0, 0);
    unmap_table(0);
    user_mode();
    map_large(0);
    fault(0, 0);
    finish()
}
proctype second() {
    CPU(1, 0);
    look_around();
    RUN_SPACE(1, 0);
    user_mode();
    RUN_SPACE(0, 1);
    user_mode();
    look_around();
    finish()
}
proctype third() {
    CPU(2, 1);
    s = 0;
    BEGIN_VISIT(0);
    look_around();
    END_VISIT(0);
    s = 1;
    user_mode();
    unmap_table(0);
    finish()
}
init {
    d_step {
        kind[1] = TABLE;
        kind[2] = TABLE;
        kind[3] = TABLE;
        kind[4] = TABLE;
        kind[5] = PAGE;
        refs[3] = 1;
        refs[4] = 1;
        refs[5] = 1;
        SLOT(1, 0) = ENTRY(3, 1);
        SLOT(2, 0) = ENTRY(4, 1);
        SLOT(3, 0) = ENTRY(5, 1);
        running[0] = 3;
        running[1] = 4;
        runs[2] = 1
    }
    atomic {
        run hardware(1);
        run first();
        run second();
        run third()
    }
}
