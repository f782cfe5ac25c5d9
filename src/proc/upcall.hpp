// SPDX-License-Identifier: MIT
// Upcalls: a thread's faults handed to the thread itself.
//
//   handle_refused ─► deliver_upcall: a frame on the thread's upcall stack; on in its handler
//   upcall_return: the registers of a frame, checked; the thread goes on with them
//
// The kernel remembers nothing of a handler that runs. Where the next frame goes follows from RSP:
// on the upcall stack below it, else at the stack's end.
#pragma once

#include "abi/upcall.hpp"
#include "lib/address.hpp"
#include "lib/result.hpp"
#include "vm/space.hpp"

#include <cstdint>

namespace proc {

class Thread;
struct Fault;

/// As stacks are aligned where code calls a function.
inline constexpr std::uint64_t upcall_frame_alignment = 16;
/// What a frame needs of a stack that ends anywhere.
inline constexpr std::uint64_t upcall_frame_room =
    sizeof(abi::UpcallFrame) + upcall_frame_alignment - 1;

/// RFLAGS that user code can't change: IF is set, bit 1 always is, IOPL, VM and the rest are not.
/// A handler begins with these alone: TF, DF, AC and NT are off.
inline constexpr std::uint64_t fixed_user_flags = 0x202;
/// Those that it can: CF PF AF ZF SF TF DF OF NT AC ID, as POPFQ changes them (SDM vol. 2B), and
/// RF, which the processor sets in a fault's frame.
inline constexpr std::uint64_t free_user_flags = 0x25'4dd5;

/// Where a thread takes its faults.
struct UpcallHandler {
    VirtAddr entry{};  ///< 0: nowhere, they end the process
    VirtRange stack{}; ///< where frames may be put
};

/// What became of an upcall.
enum class Delivery : std::uint8_t {
    done,       ///< the thread will go on in its handler
    no_handler, ///< or the fault left no registers to give
    no_room,    ///< the upcall stack is used up
    bad_stack,  ///< the frame could not be written
};

/// Makes the running thread's registers those of its handler's start. For page faults `resolution`
/// says why, and `refused` is the entry that was in the way. No lock is held: the frame's copy may
/// fault and be resolved.
[[nodiscard]] Delivery deliver_upcall(const Thread& self, const Fault& fault,
                                      vm::Resolution resolution,
                                      const vm::AddressSpace::Located& refused);

} // namespace proc
