// SPDX-License-Identifier: MIT
// The first serial port: COM1, 115200 baud, 8 bits, no parity, one stop bit.
#pragma once

#include <string_view>

namespace arch::serial {

/// Sets the port up. A machine without one is fine: writes then go nowhere.
void initialise();

/// Whether a port was found.
[[nodiscard]] bool present();

/// Sends `text`, each line feed as carriage return and line feed. Waits for the line, but never
/// for ever: bytes that it does not take within some milliseconds are lost. A sink of the log.
void write(std::string_view text);

} // namespace arch::serial
