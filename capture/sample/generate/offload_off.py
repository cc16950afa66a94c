"""Turn off checksum and segmentation offloading on an interface, as ethtool -K does."""

import array
import fcntl
import socket
import struct
import sys

SIOCETHTOOL = 0x8946
# ETHTOOL_STXCSUM, STSO, SGSO, SGRO from linux/ethtool.h.
SETTINGS = (0x17, 0x1F, 0x24, 0x2C)

s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for setting in SETTINGS:
    value = array.array("B", struct.pack("II", setting, 0))
    request = struct.pack("16sP", sys.argv[1].encode(), value.buffer_info()[0])
    fcntl.ioctl(s, SIOCETHTOOL, request)
