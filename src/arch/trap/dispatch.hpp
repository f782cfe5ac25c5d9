// SPDX-License-Identifier: MIT
// What entry.S calls. Interrupts are off; `frame` lies on the stack that the trap was taken on.
#pragma once

#include "arch/trap/frame.hpp"

namespace arch {

extern "C" {

/// An exception in user mode, or a system call that is not the runtime's, on the thread's kernel
/// stack. Returning goes on with the registers in the frame: they restart the instruction, or begin
/// the thread's handler.
void trap_from_user(TrapFrame* frame);
/// An exception in kernel mode.
void trap_from_kernel(TrapFrame* frame);
/// The IRETQ to user mode faulted. Does not return.
void trap_from_user_return(TrapFrame* frame);
/// NMI, #DF, #MC, and #DB in kernel mode, on their own stacks.
void trap_own_stack(TrapFrame* frame);
/// Vectors from 32 up.
void trap_interrupt(TrapFrame* frame);
/// proc::before_user_return is wanted. Clears the wish first.
void trap_user_return_work();
}

} // namespace arch
