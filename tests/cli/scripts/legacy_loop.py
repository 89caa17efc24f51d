import asyncio

from work import think


async def main() -> None:
    await think(())


async def close() -> None:
    print("closed")


loop = asyncio.new_event_loop()
try:
    loop.run_until_complete(main())
except (KeyboardInterrupt, SystemExit):
    print("interrupted")
finally:
    loop.run_until_complete(close())
    loop.close()
