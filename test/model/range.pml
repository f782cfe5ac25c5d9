// SPDX-License-Identifier: MIT
// Two operations on ranges that reach over two tables, and faults that lock one of these tables only:
// a range is changed by one at a time, as if at once.
// mutation NO_LOCK_BELOW: a range operation locks the table that covers its range, and none below
// mutation NO_FLUSH: rights are taken from entries, but not from what is cached of them
// mutation NO_ANSWER: who waits does not answer
#define SPACES 1
#define FRAMES 6
#define N 2
#include "protocol.pml"
#include "operations.pml"

#ifdef NO_LOCK_BELOW
#define TAKE_BELOW(table) skip
#define DROP_BELOW(table) skip
#else
#define TAKE_BELOW(table) take(table)
#define DROP_BELOW(table) drop(table)
#endif

// The last entry of the first table and the first of the second, changed by a step each.
#define LEFT SLOT(2, 1)
#define RIGHT SLOT(3, 0)

// Takes the right to write from all four pages; what the look saw is what the change meets.
inline protect_all() {
    take(ROOT(s));
    TAKE_BELOW(2);
    TAKE_BELOW(3);
    p = LEFT;
    q = RIGHT;
    d_step { assert(LEFT == p); SLOT(2, 0) = NARROW(SLOT(2, 0)); LEFT = NARROW(LEFT) }
    d_step { assert(RIGHT == q); RIGHT = NARROW(RIGHT); SLOT(3, 1) = NARROW(SLOT(3, 1)) }
    flush(1 << s);
    assert(COHERENT(s) && !WRITE(LEFT) && !WRITE(RIGHT));
    DROP_BELOW(3);
    DROP_BELOW(2);
    drop(ROOT(s));
    d_step { p = 0; q = 0 }
}

// Discards the two pages at the border.
inline discard_border() {
    take(ROOT(s));
    TAKE_BELOW(2);
    TAKE_BELOW(3);
    p = LEFT;
    q = RIGHT;
    d_step { assert(LEFT == p); LEFT = LAZY }
    d_step { assert(RIGHT == q); RIGHT = LAZY }
    flush(1 << s);
    assert(LEFT == LAZY && RIGHT == LAZY);
    DROP_BELOW(3);
    DROP_BELOW(2);
    drop(ROOT(s));
    if
    :: FRAME(p) != 0 -> p = FRAME(p); drop_page(p)
    :: else
    fi;
    if
    :: FRAME(q) != 0 -> q = FRAME(q); drop_page(q)
    :: else
    fi;
    d_step { p = 0; q = 0 }
}

proctype first() {
    CPU(0, 0);
    protect_all();
    finish()
}
proctype second() {
    CPU(1, 0);
    discard_border();
    finish()
}
proctype third() {
    CPU(2, 0);
    fault(0, 1);
    user_mode();
    fault(1, 0);
    finish()
}
init {
    d_step {
        kind[1] = TABLE;
        kind[2] = TABLE;
        refs[2] = 1;
        kind[3] = TABLE;
        refs[3] = 1;
        kind[4] = PAGE;
        refs[4] = 1;
        SLOT(1, 0) = ENTRY(2, 1);
        SLOT(1, 1) = ENTRY(3, 1);
        SLOT(2, 0) = ENTRY(4, 1);
        LEFT = LAZY;
        RIGHT = LAZY;
        running[0] = 7
    }
    atomic {
        run hardware(0);
        run hardware(2);
        run first();
        run second();
        run third()
    }
}
