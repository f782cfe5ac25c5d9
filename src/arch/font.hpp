// SPDX-License-Identifier: MIT
// The console's font, part of the kernel image.
#pragma once

#include "lib/bytes.hpp"

extern "C" const std::byte console_font[];
extern "C" const std::byte console_font_end[];

namespace arch {

/// The file's bytes, for lib::PsfFont::load.
inline lib::Bytes console_font_file() { return {console_font, console_font_end}; }

} // namespace arch
